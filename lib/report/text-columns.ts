import { printable } from "./token-text.js";

const gap = "  ";

/**
 * Texts beside each other, each broken into a column of `width` characters; as many side by side as
 * fit `lineWidth`, the others below. The first line of each column is its head.
 *
 * @returns lines, with an empty one between groups
 */
export function textColumns(
  columns: readonly { readonly head: string; readonly text: string }[],
  lineWidth: number,
  leastWidth = 22,
): string[] {
  const fitting = Math.max(1, Math.floor((lineWidth + gap.length) / (leastWidth + gap.length)));
  const groups = Math.ceil(columns.length / fitting);
  const size = Math.ceil(columns.length / groups);
  const width = Math.floor((lineWidth + gap.length) / size) - gap.length;
  const lines: string[] = [];
  for (let at = 0; at < columns.length; at += size) {
    if (at > 0) lines.push("");
    const group = columns
      .slice(at, at + size)
      .map(({ head, text }) => [head, ...fold(text, width)]);
    const height = Math.max(...group.map(({ length }) => length));
    for (let row = 0; row < height; row++) {
      const cells = group.map((cell) => pad(cell[row] ?? "", width));
      lines.push(cells.join(gap).trimEnd());
    }
  }
  return lines;
}

/** Lines of at most `width` characters, broken between words, longer words where they must be. */
function fold(text: string, width: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    const lines = [""];
    for (const word of printable(paragraph).trim().split(/ +/)) {
      const line = lines.at(-1) ?? "";
      const joined = line === "" ? word : `${line} ${word}`;
      if (length(joined) <= width) lines[lines.length - 1] = joined;
      else {
        if (line !== "") lines.push("");
        const pieces = [...word];
        lines.pop();
        for (let at = 0; at < pieces.length; at += width) {
          lines.push(pieces.slice(at, at + width).join(""));
        }
      }
    }
    return lines;
  });
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - length(text)));
}

function length(text: string): number {
  return [...text].length;
}
