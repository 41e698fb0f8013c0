import type { EditPlace } from "../intervene/edit-place.js";
import { Edits } from "../intervene/edits.js";
import { type RunRows, wholeRun } from "../intervene/run-rows.js";
import type { RunEditOptions } from "../intervene/types.js";
import { checkFires, type LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { RunStart } from "./run-start.js";
import { specialTokensOf } from "./special-tokens.js";

/** The options that every run takes for coders and interventions. */
export const editKeys = ["coders", "interventions"] as const;

/** What checking coders and interventions needs; without a range only the model counts. */
export function editPlace(what: string, core: ModelCore, range?: LayerRange): EditPlace {
  const { table, cfg } = core;
  return {
    what,
    table,
    cfg,
    reach: (use, point) => {
      if (range !== undefined) checkFires(what, use, point, range);
    },
    specialTokens: specialTokensOf(core),
  };
}

/**
 * The coders and interventions of a run, checked; undefined for none. The caller disposes them once
 * the run has been submitted.
 */
export function resolveEdits(
  what: string,
  core: ModelCore,
  options: RunEditOptions,
  range: LayerRange,
  start: RunStart,
  rows: RunRows = wholeRun(start.rows),
): Edits | undefined {
  const edits = Edits.resolve(editPlace(what, core, range), options);
  edits?.check(rows, start.ids !== undefined);
  return edits;
}
