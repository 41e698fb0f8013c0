import { argument } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import type { CellData } from "../tensor/row-cells.js";

/**
 * The tokens to exclude: true for the model's special tokens (BOS, turns and so on), false for
 * none, or a list of ids.
 */
export type ExcludedTokens = boolean | readonly number[];

/** Checks the option `excludeSpecialTokens`; false if nothing is excluded. */
export function checkExcluded(
  caller: string,
  value: unknown,
  subject = "excludeSpecialTokens",
  dVocab = Number.POSITIVE_INFINITY,
): ExcludedTokens {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  const isId = (id: unknown) => Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) < dVocab;
  if (Array.isArray(value) && value.every(isId)) return Object.freeze([...(value as number[])]);
  const ids = Number.isFinite(dVocab) ? `token ids in [0, ${dVocab})` : "token ids";
  throw argument(caller, `true, false or ${ids}`, subject, shortly(value));
}

/** The cells of excluded tokens, ascending. ARGUMENT if the tokens are unknown. */
export function excludedCells(
  caller: string,
  excluded: ExcludedTokens,
  { mask, ids, special }: CellData,
): Int32Array {
  if (excluded === false || (excluded !== true && excluded.length === 0)) return new Int32Array(0);
  if (ids === undefined) {
    const expected = "none (its tokens are not known: give {mask} without those that are left out)";
    throw argument(caller, expected, "excludeSpecialTokens", shortly(excluded));
  }
  const wanted = excluded === true ? (special?.() ?? new Set()) : new Set(excluded);
  return cellsOfTokens(ids, wanted).filter((cell) => mask?.[cell] !== 0);
}

/** The cells that hold one of these tokens, ascending. */
export function cellsOfTokens(tokens: Int32Array, wanted: ReadonlySet<number>): Int32Array {
  return Int32Array.from(tokens.keys()).filter((cell) => wanted.has(tokens[cell] as number));
}

/** The mask with 0 in these cells too; undefined if all cells are 1. */
export function without(
  cells: Int32Array,
  mask: Uint8Array | undefined,
  count: number,
): Uint8Array | undefined {
  if (cells.length === 0) return mask;
  const kept = mask?.slice() ?? new Uint8Array(count).fill(1);
  for (const cell of cells) kept[cell] = 0;
  return kept;
}
