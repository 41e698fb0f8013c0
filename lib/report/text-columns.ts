// string-width has no columns; folding and padding of this folder make them.
import { padTo } from "./display-width.js";
import { foldText } from "./fold.js";
import { printable } from "./token-text.js";

const gap = "  ";

/**
 * Folds each text into a column, and sets as many columns side by side as fit in `lineWidth`. The
 * others follow below. The first line of each column is its head.
 *
 * @returns the lines, with an empty line between groups
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
      .map(({ head, text }) => [head, ...paragraphs(text, width)]);
    const height = Math.max(...group.map(({ length }) => length));
    for (let row = 0; row < height; row++) {
      const cells = group.map((cell) => padTo(cell[row] ?? "", width));
      lines.push(cells.join(gap).trimEnd());
    }
  }
  return lines;
}

function paragraphs(text: string, width: number): string[] {
  return text.split("\n").flatMap((paragraph) => foldText(printable(paragraph), width));
}
