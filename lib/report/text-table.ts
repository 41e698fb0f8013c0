import { displayWidth, padTo } from "./display-width.js";
import { foldCell } from "./fold.js";

/** A column's cells lie against this side. */
export type Align = "left" | "right";

const gap = "  ";
/** A column of text is not made narrower than this. */
const leastText = 8;

/**
 * Rows as lines with aligned columns, two spaces apart; nothing after a line's last cell. If the
 * rows are wider than `lineWidth`, cells of the widest columns fold into several lines.
 */
export function textTable(
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
  lineWidth = Number.POSITIVE_INFINITY,
): string[] {
  return tableRows(rows, align, lineWidth).flat();
}

/** The same, the lines of each row by themselves. */
export function tableRows(
  rows: readonly (readonly string[])[],
  align: readonly Align[],
  lineWidth: number,
): string[][] {
  const widths = columnWidths(rows, align, lineWidth);
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      const width = widths[i] ?? 0;
      return displayWidth(cell) <= width ? [cell] : foldCell(cell, width);
    });
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) =>
      cells
        .map((cell, i) => padTo(cell[line] ?? "", widths[i] ?? 0, align[i]))
        .join(gap)
        .trimEnd(),
    );
  });
}

/** Groups of columns that fit `lineWidth` beside the `left` ones; a column is its cells. */
export function columnGroups(
  left: readonly (readonly string[])[],
  columns: readonly (readonly string[])[],
  lineWidth: number,
): (readonly string[])[][] {
  const side = left.reduce((sum, column) => sum + widest(column) + gap.length, 0);
  const groups: (readonly string[])[][] = [];
  let room = 0;
  for (const column of columns) {
    const width = widest(column) + gap.length;
    if (groups.length === 0 || room < width) {
      groups.push([]);
      room = lineWidth - side + gap.length;
    }
    groups.at(-1)?.push(column);
    room -= width;
  }
  return groups;
}

/** The natural widths, the widest columns narrowed until a row fits. */
function columnWidths(
  rows: readonly (readonly string[])[],
  align: readonly Align[],
  lineWidth: number,
): number[] {
  const count = Math.max(0, ...rows.map(({ length }) => length));
  const columns = Array.from({ length: count }, (_, i) => rows.map((row) => row[i] ?? ""));
  const widths = columns.map(widest);
  const least = columns.map((cells, i) => {
    const whole = align[i] === "right" ? widestWord(cells) : leastText;
    return Math.min(widths[i] ?? 0, whole);
  });
  let excess = widths.reduce((sum, width) => sum + width, gap.length * (count - 1)) - lineWidth;
  while (excess > 0) {
    const [at] = [...widths.keys()]
      .filter((i) => (widths[i] ?? 0) > (least[i] ?? 0))
      .sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (at === undefined) break;
    widths[at] = (widths[at] ?? 0) - 1;
    excess--;
  }
  return widths;
}

function widest(cells: readonly string[]): number {
  return Math.max(0, ...cells.map(displayWidth));
}

/** Numbers are never broken, only the words of a head over them. */
function widestWord(cells: readonly string[]): number {
  return widest(cells.flatMap((cell) => cell.split(" ")));
}
