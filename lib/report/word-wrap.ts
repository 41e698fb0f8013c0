// wrap-ansi needs the whole text; this wraps text that arrives in pieces.
import { displayWidth } from "./display-width.js";

/**
 * Makes a function that wraps streamed text into lines of about `width` cells. Lines break between
 * words and after line ends, and each new line begins with `indent`. The first piece starts at `column`.
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
