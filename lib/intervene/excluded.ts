import { cellsOfTokens, checkExcluded } from "../coder/special-tokens.js";
import type { EditPlace } from "./edit-place.js";

/** Finds the tokens of a run that an edit leaves as they are; undefined: it acts on all. */
export type ExcludedFrom = ((tokens: Int32Array) => Int32Array) | undefined;

/** Reads an edit's `excludeSpecialTokens`. */
export function excludedFrom(place: EditPlace, value: unknown, subject: string): ExcludedFrom {
  const { caller, cfg, specialTokens } = place;
  const excluded = checkExcluded(caller, value, subject, cfg.dVocab);
  if (excluded === false) return undefined;
  if (excluded === true) return (tokens) => cellsOfTokens(tokens, specialTokens());
  const ids = new Set(excluded);
  return (tokens) => cellsOfTokens(tokens, ids);
}
