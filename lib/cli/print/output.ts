import { type Align, tableRows } from "../../report/text-table.js";
import { jsonText } from "../../report/token-text.js";
import { lineWidth, paintFor } from "./terminal.js";

/** Writes one line of data to standard output. */
export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a value as one line of JSON. */
export function sayJson(value: unknown): void {
  say(jsonText(value));
}

/** Writes a table that fits the terminal. Its first row is the head. */
export function sayTable(rows: readonly (readonly string[])[], align: readonly Align[]): void {
  const { dim } = paintFor();
  const [head = [], ...body] = tableRows(rows, align, lineWidth());
  for (const line of head) say(dim(line));
  for (const line of body.flat()) say(line);
}

/** Writes the same table from its columns. */
export function sayColumns(columns: readonly (readonly string[])[], align: readonly Align[]): void {
  const [first = []] = columns;
  sayTable(
    first.map((_, row) => columns.map((column) => column[row] ?? "")),
    align,
  );
}
