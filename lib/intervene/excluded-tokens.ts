import { cellsOfTokens, checkExcluded } from "../coder/special-tokens.js";
import type { EditContext } from "./edit-context.js";

/** Finds the tokens of a run that an edit leaves as they are; undefined: it acts on all. */
export type FindExcluded = ((tokens: Int32Array) => Int32Array) | undefined;

/** Reads an edit's `excludeSpecialTokens`. */
export function resolveExcluded(
  context: EditContext,
  value: unknown,
  subject: string,
): FindExcluded {
  const { caller, cfg, specialTokens } = context;
  const excluded = checkExcluded(caller, value, subject, cfg.dVocab);
  if (excluded === false) return undefined;
  if (excluded === true) return (tokens) => cellsOfTokens(tokens, specialTokens());
  const ids = new Set(excluded);
  return (tokens) => cellsOfTokens(tokens, ids);
}
