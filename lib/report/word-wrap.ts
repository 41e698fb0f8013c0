/**
 * Breaks text that comes in pieces into lines of about `width`, between words and behind line ends;
 * lines after the first begin with `indent`. `column` is where the first piece starts.
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
        const breaks = word.startsWith(" ") && at + word.length > width;
        const shown = breaks ? `\n${indent}${word.slice(1)}` : word.replace("\n", `\n${indent}`);
        at = shown.includes("\n") ? shown.length - shown.lastIndexOf("\n") - 1 : at + word.length;
        return shown;
      })
      .join("");
}
