import { displayWidth } from "./display-width.js";

/**
 * Breaks text that comes in pieces into lines of about `width` cells, between words and after line
 * ends; lines after the first begin with `indent`. `column` is where the first piece starts.
 *
 *     const wrap = wordWrap(80, "   ", prompt.length);
 *     for await (const { text } of generation) process.stdout.write(wrap(text));
 */
export function wordWrap(width: number, indent: string, column: number): (piece: string) => string {
  let at = column;
  return (piece) =>
    piece
      .split(/(?= )|(?<=\n)/)
      .map((word) => {
        const size = displayWidth(word);
        const breaks = word.startsWith(" ") && at + size > width;
        const shown = breaks ? `\n${indent}${word.slice(1)}` : word.replace("\n", `\n${indent}`);
        const end = shown.lastIndexOf("\n");
        at = end < 0 ? at + size : displayWidth(shown.slice(end + 1));
        return shown;
      })
      .join("");
}
