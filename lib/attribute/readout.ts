import type { FeatureRef } from "../coder/coder.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import { coreOf, type HookedTransformer } from "../model/hooked-transformer.js";
import type { Tensor } from "../tensor/index.js";
import { isTensor } from "../tensor/internal.js";
import {
  checkTarget,
  checkTopK,
  type ScoredRow,
  scoreTokens,
  type TokenScore,
  type TokenTarget,
} from "./token-scores.js";

/** Options for `readout`. */
export interface ReadoutOptions {
  /** How many of the highest and of the lowest tokens. Default 10. */
  readonly topK?: number | undefined;
  /** Tokens whose logit and rank are reported besides, in `targets`. */
  readonly target?: TokenTarget | undefined;
  /** Puts the vector through the final norm first, as the model does with its residual stream. */
  readonly finalNorm?: boolean | undefined;
  /** Puts the final soft cap on the logits. */
  readonly softCap?: boolean | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** What a vector says about tokens. */
export interface Readout extends ScoredRow {
  /** The lowest tokens, the lowest first. */
  readonly bottom: readonly TokenScore[];
}

/**
 * The tokens that a vector of the residual stream [d_model] speaks for and against: v·W_U, by
 * default as it stands (a direction has no norm of its own; `finalNorm` is for residual streams).
 * Of a feature it is the decoder row ("direct logits").
 *
 * @example
 * const options = { target: { logit: " Japanese" } };
 * const { top, targets } = await readout(model, sae.feature(213), options);
 * console.log(top.map(({ text }) => text), targets[0]?.rank);
 *
 * @throws SHAPE for another width (the decoder of an attention coder writes heads, not the residual
 *   stream)
 * @throws ARGUMENT for tokens that there are not; DISPOSED; `signal.reason`
 */
export async function readout(
  model: HookedTransformer,
  vector: Tensor | FeatureRef,
  options: ReadoutOptions = {},
): Promise<Readout> {
  const what = "readout";
  const core = coreOf(model, what);
  checkOptions(what, options, ["topK", "target", "finalNorm", "softCap", "signal"]);
  const { finalNorm = false, softCap = false, signal } = options;
  const topK = checkTopK(what, options.topK ?? 10, core);
  const tokens = checkTarget(what, core, options.target);
  using row = residualRow(what, vector, core.cfg.dModel);
  const shared = { finalNorm, softCap, signal };
  // The norm and the cap are odd functions: the lowest tokens are the highest of −v.
  using against = row.neg();
  const lowest = await scoreTokens(what, core, against, { ...shared, topK, targets: [] });
  const bottom = lowest[0]?.top.map(({ token }) => token) ?? [];
  const [read] = await scoreTokens(what, core, row, {
    ...shared,
    topK,
    targets: [...bottom, ...tokens],
  });
  if (read === undefined) throw new GemlensError("INTERNAL", `${what}: no row came back`);
  return {
    top: read.top,
    bottom: read.targets.slice(0, bottom.length).map(({ rank: _, ...score }) => score),
    targets: read.targets.slice(bottom.length),
  };
}

/** [1, d_model] of a vector or of a feature's decoder row. */
function residualRow(what: string, vector: Tensor | FeatureRef, dModel: number): Tensor {
  if (!isTensor(vector)) {
    if (typeof vector?.coder?.direction !== "function") {
      throw argument(what, "a Tensor [d_model] or a feature", "vector", typeof vector);
    }
    const direction = vector.coder.direction(vector.feature);
    try {
      return residualRow(what, direction, dModel);
    } finally {
      direction.dispose();
    }
  }
  if (vector.size === dModel && vector.shape.at(-1) === dModel) return vector.reshape([1, dModel]);
  throw new GemlensError(
    "SHAPE",
    `${what}: expected one vector of ${dModel} for vector, got [${vector.shape.join(", ")}]`,
    { expected: dModel, got: vector.shape },
  );
}
