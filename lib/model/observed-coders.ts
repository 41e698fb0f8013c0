import { Coder } from "../coder/coder.js";
import { checkExcluded, type ExcludedTokens } from "../coder/special-tokens.js";
import { argument, checkOptions } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { isObject } from "../intervene/checks.js";
import { checkCoder, readPoints } from "../intervene/edit-context.js";
import type { LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";

/** A coder to observe inside a run, and the tokens to exclude. */
export interface CoderRead {
  /** The coder. */
  readonly coder: Coder;
  /** Leave special tokens (BOS, turns and so on), or these ids, without features. Default false. */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** A coder that is observed inside a run, with its resolved points. */
export interface ObservedCoder {
  readonly coder: Coder;
  readonly points: readonly ResolvedPoint[];
  readonly excluded: ExcludedTokens;
}

/** Resolves `features`: its coders, each once, checked against the model. */
export function resolveObserved(
  caller: string,
  core: ModelCore,
  features: readonly (Coder | CoderRead)[],
  range: LayerRange,
  hasTokens: boolean,
): ObservedCoder[] {
  if (!Array.isArray(features)) {
    throw argument(caller, "an array of coders", "features", typeof features);
  }
  const context = core.editContext(caller, range);
  const found = new Map<Coder, ObservedCoder>();
  for (const [i, entry] of features.entries()) {
    const use = `features[${i}]`;
    const bare = entry instanceof Coder || !isObject(entry) || !("coder" in entry);
    if (!bare) checkOptions(`${caller}: ${use}`, entry, ["coder", "excludeSpecialTokens"]);
    const given = (bare ? { coder: entry } : entry) as Partial<CoderRead>;
    const coder = checkCoder(context, use, given.coder);
    const subject = `${use}.excludeSpecialTokens`;
    const excluded = checkExcluded(caller, given.excludeSpecialTokens, subject, core.cfg.dVocab);
    if (excluded !== false && !hasTokens) {
      throw argument(
        caller,
        "false (the residual stream's tokens are not known)",
        subject,
        excluded,
      );
    }
    const before = found.get(coder)?.excluded;
    if (before !== undefined && String(before) !== String(excluded)) {
      throw argument(caller, `${before}, as for the same coder before`, subject, excluded);
    }
    found.set(coder, { coder, points: readPoints(context, use, coder), excluded });
  }
  return [...found.values()];
}
