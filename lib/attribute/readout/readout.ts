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
  /** How many of the highest and of the lowest tokens. Default 10. */
  readonly topK?: number | undefined;
  /** Tokens whose logit and rank are reported besides, in `targets`. */
  readonly target?: TokenTarget | undefined;
  /**
   * Multiplies the direction by the final norm's gain, 1 + w: what the unembedding reads of it, but
   * for the norm's scale. Default true; false: W_U·d.
   */
  readonly gain?: boolean | undefined;
  /** The hook point that a vector belongs to, unless it is of the residual stream. */
  readonly hook?: string | undefined;
  /** Takes a vector that is known to be of another space than `hook`, or the residual stream. */
  readonly unchecked?: boolean | undefined;
  /**
   * Puts the vector through the final norm, scale and gain, as the model does with its residual
   * stream. Default false.
   */
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
 * The tokens that a direction speaks for and against: its "direct logits" W_U·(d ⊙ (1 + w)), where w
 * is the final norm's weight and d what the direction writes into the residual stream. A decoder
 * row or vector at `attn.hook_z` writes (1 + w_post) ⊙ W_O·d, one at `mlp.hook_post` goes through
 * W_out likewise, one before a post-norm takes that norm's gain. The norms' scales are left out.
 *
 * @param vector a feature (its decoder row), or a vector: of the residual stream [d_model] unless it
 *   comes from `coder.direction` or a cache, or `hook` says where it belongs
 *
 * @example
 * const options = { target: { logit: " Japanese" } };
 * const { top, targets } = await readout(model, sae.feature(213), options);
 * console.log(top.map(({ text }) => text), targets[0]?.rank);
 *
 * @throws HOOK for a vector of another space than `hook`, or of one that is only read (`mlp.hook_in`)
 * @throws SHAPE for another width
 * @throws ARGUMENT for tokens that there are not, or logits that are not finite; DISPOSED;
 *   `signal.reason`
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
  // The norm and the cap are odd functions: the lowest tokens are the highest of −v.
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
