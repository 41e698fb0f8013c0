import { type Align, tableRows } from "../../report/text-table.js";
import { jsonText } from "../../report/token-text.js";
import { lineWidth, paintFor } from "./terminal.js";

/** One line of data. */
export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** One line of JSON. */
export function sayJson(value: unknown): void {
  say(jsonText(value));
}

/** A table that fits the terminal; its first row is the head. */
export function sayTable(rows: readonly (readonly string[])[], align: readonly Align[]): void {
  const { dim } = paintFor();
  const [head = [], ...body] = tableRows(rows, align, lineWidth());
  for (const line of head) say(dim(line));
  for (const line of body.flat()) say(line);
}

/** The same, given column by column. */
export function sayColumns(columns: readonly (readonly string[])[], align: readonly Align[]): void {
  const [first = []] = columns;
  sayTable(
    first.map((_, row) => columns.map((column) => column[row] ?? "")),
    align,
  );
}
