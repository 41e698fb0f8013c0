/** A column's cells lie against this side. */
export type Align = "left" | "right";

/** Rows as lines with aligned columns, two spaces apart; nothing behind a line's last cell. */
export function textTable(
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const space = " ".repeat((widths[i] ?? 0) - width(cell));
        return align[i] === "right" ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Characters, with an accent as part of its letter. */
function width(text: string): number {
  return text.replace(/\p{Mark}/gu, "").match(/./gsu)?.length ?? 0;
}
