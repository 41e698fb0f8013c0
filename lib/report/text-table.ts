import { displayWidth, padTo } from "./display-width.js";
import { foldCell } from "./fold.js";

/** The side on which a column's cells are aligned. */
export type Align = "left" | "right";

const gap = "  ";
/** The least width of a text column. */
const leastText = 8;

/**
 * Formats rows as lines with aligned columns, two spaces apart, without trailing spaces. If the rows
 * are wider than `lineWidth`, cells of the widest columns fold into several lines.
 */
export function textTable(
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
  lineWidth = Number.POSITIVE_INFINITY,
): string[] {
  return tableRows(rows, align, lineWidth).flat();
}

/** Formats rows as `textTable` does, and returns the lines of each row separately. */
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

/** Groups columns so that each group fits in `lineWidth` next to the `left` ones. A column is its cells. */
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

/** The width of each column; the widest ones are narrowed until a row fits. */
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

/** The widest word: a column of numbers may fold between the words of its head, never inside a number. */
function widestWord(cells: readonly string[]): number {
  return widest(cells.flatMap((cell) => cell.split(" ")));
}
