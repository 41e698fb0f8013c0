import type { FeatureRef } from "../../coder/coder.js";
import { argument, checkOptions } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import { tidy } from "../../native/scope.js";
import type { Tensor } from "../../tensor/tensor.js";
import { residualDirection } from "./residual-direction.js";
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
  /** The number of highest and of lowest tokens. Default 10. */
  readonly topK?: number | undefined;
  /** Tokens whose logit and rank are also reported, in `targets`. */
  readonly target?: TokenTarget | undefined;
  /**
   * Multiply the direction by the final norm's gain, 1 + w, as the model does before the
   * unembedding, but without the norm's scale. Default true; with false the logits are W_U·d.
   */
  readonly gain?: boolean | undefined;
  /** The hook point that a vector belongs to. Default: the residual stream. */
  readonly hook?: string | undefined;
  /** Accept a vector that is known to be of another space than `hook` or the residual stream. */
  readonly unchecked?: boolean | undefined;
  /**
   * Apply the final norm, scale and gain, to the vector, as the model does to its residual stream.
   * Default false.
   */
  readonly finalNorm?: boolean | undefined;
  /** Apply the final soft cap to the logits. Default false. */
  readonly softCap?: boolean | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** The tokens that a vector promotes and suppresses. */
export interface Readout extends ScoredRow {
  /** The lowest tokens, lowest first. */
  readonly bottom: readonly TokenScore[];
}

/**
 * Ranks the tokens that a direction promotes and suppresses by its "direct logits" W_U·(d ⊙ (1 +
 * w)), where w is the final norm's weight and d is the direction's write to the residual stream. A
 * decoder row or vector at `attn.hook_z` writes (1 + w_post) ⊙ W_O·d, and one at `mlp.hook_post`
 * the same with W_out. One before a post-norm is multiplied by that norm's gain. The norms' scales
 * are omitted.
 *
 * @param vector a feature (its decoder row), or a vector: of the residual stream [d_model] unless
 *   it comes from `coder.direction` or a cache, or `hook` says where it belongs
 *
 * @example
 * const options = { target: { logit: " Japanese" } };
 * const { top, targets } = await readout(model, sae.feature(213), options);
 * console.log(top.map(({ text }) => text), targets[0]?.rank);
 *
 * @throws HOOK if the vector is of another space than `hook`, or of a space that does not write to
 *   the residual stream (`mlp.hook_in`)
 * @throws SHAPE if the width is wrong
 * @throws ARGUMENT if a token is out of range or a logit is not finite; DISPOSED; `signal.reason`
 */
export async function readout(
  model: HookedTransformer,
  vector: Tensor | FeatureRef,
  options: ReadoutOptions = {},
): Promise<Readout> {
  const caller = "readout";
  const client = new ModelClient(caller, model);
  checkOptions(caller, options, [
    "topK",
    "target",
    "gain",
    "hook",
    "unchecked",
    "finalNorm",
    "softCap",
    "signal",
  ]);
  const { gain = true, hook, unchecked = false, signal } = options;
  const { finalNorm = false, softCap = false } = options;
  if (finalNorm && options.gain === false) {
    throw argument(
      caller,
      "no gain: false with finalNorm (the norm has its gain)",
      "options",
      "both",
    );
  }
  const topK = checkTopK(client, options.topK ?? 10);
  const tokens = checkTarget(client, options.target);
  const { row: written, gained } = residualDirection(client, { vector, hook, unchecked });
  using _ = written;
  const withGain = gain && !gained && !finalNorm;
  using row = tidy(() =>
    withGain ? written.mul(model.weight("ln_final.w").to(written.dtype)) : written.clone(),
  );
  const shared = { finalNorm, softCap, signal, name: () => "vector" };
  // The norm and the cap are odd functions, so the lowest tokens are the highest of −v.
  using against = row.neg();
  const lowest = await scoreTokens(client, against, { ...shared, topK, targets: [] });
  const bottom = lowest[0]?.top.map(({ token }) => token) ?? [];
  const [read] = await scoreTokens(client, row, {
    ...shared,
    topK,
    targets: [...bottom, ...tokens],
  });
  if (read === undefined) throw new GemlensError("INTERNAL", `${caller}: no row came back`);
  return {
    top: read.top,
    bottom: read.targets.slice(0, bottom.length).map(({ rank: _, ...score }) => score),
    targets: read.targets.slice(bottom.length),
  };
}
