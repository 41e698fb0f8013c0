import { cellsOfTokens, checkExcluded } from "../coder/special-tokens.js";
import type { EditContext } from "./edit-context.js";

/** Finds the cells of a run that a change skips; undefined if it skips none. */
export type FindExcluded = ((tokens: Int32Array) => Int32Array) | undefined;

/** Resolves the option `excludeSpecialTokens` of a change. */
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
