import { argument } from "../errors/check-options.js";

/** The end of a too long row that is cut off; true is "right". */
export type Truncate = boolean | "left" | "right";

/** Checks the option `truncate`: the end that is cut off; undefined for none. */
export function truncatedSide(
  caller: string,
  truncate: Truncate | undefined,
): "left" | "right" | undefined {
  if (truncate === undefined || truncate === false) return undefined;
  if (truncate === true) return "right";
  if (truncate === "left" || truncate === "right") return truncate;
  throw argument(caller, 'true, false, "left" or "right"', "truncate", JSON.stringify(truncate));
}

/**
 * At most `most` tokens of a row: its first ones, or with "left" its last ones after the BOS if the
 * row begins with one.
 */
export function truncateRow(
  row: ArrayLike<number>,
  side: "left" | "right",
  most: number,
  bosTokenId: number | null,
): ArrayLike<number> {
  if (row.length <= most) return row;
  const ids = Array.from(row);
  if (side === "right") return ids.slice(0, most);
  const kept = bosTokenId !== null && ids[0] === bosTokenId ? 1 : 0;
  return [...ids.slice(0, kept), ...ids.slice(ids.length - most + kept)];
}
