import type { Coder } from "../../coder/coder.js";
import { checkExcluded, type ExcludedTokens } from "../../coder/special-tokens.js";
import { argument, checkCount, checkOptions } from "../../errors/check-options.js";
import { renamed } from "../../errors/renamed.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import type { TokenInput } from "../../model/model-input.js";
import { Prompt, type PromptOptions } from "../prompt.js";
import { ablationEffects } from "./ablation-effects.js";
import { type Attributions, sortedAttributions } from "./attributions.js";
import { gradientEffects } from "./gradient-effects.js";
import { integratedEffects } from "./integrated-gradients.js";
import { type AttributionTarget, TargetValues } from "./target-values.js";

/** A method of computing effects; {@link attribute} describes each. */
export type AttributionMethod = "gradient" | "integrated-gradients" | "ablation";

/** Options for `attribute`. */
export interface AttributeOptions extends PromptOptions {
  /** The target of the effects: a logit, a logit difference, another coder's feature, a metric. */
  readonly target: AttributionTarget;
  /**
   * The coders whose active features are attributed to; the coder of a target feature is skipped.
   */
  readonly through: readonly Coder[];
  /** Default "gradient". */
  readonly method?: AttributionMethod | undefined;
  /**
   * Leave out the features of special tokens (BOS, turns and so on), or of the tokens with these
   * ids. Default false. "integrated-gradients" then keeps these tokens unchanged along its path.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
  /** Return at most this many, largest |effect| first. Default: all. */
  readonly topK?: number | undefined;
  /** The number of rows per run, for methods with many runs. Default 32. */
  readonly batchSize?: number | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** Called with the number of rows done and the total known so far. */
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** @deprecated `to` is the former name of `target`, and works for one version. */
export async function attribute(
  model: HookedTransformer,
  input: TokenInput,
  options: Omit<AttributeOptions, "target"> & { readonly to: AttributionTarget },
): Promise<Attributions>;
// This overload is last because the compiler explains a failing call by the last one.
/**
 * Computes the effect of every active feature on a target, for one prompt, largest |effect| first.
 *
 * - "gradient": activation · ⟨∂target/∂x, W_dec[i]⟩, where x is the tensor that the coder rebuilds.
 *   This is the effect of ablating the feature if the model were linear (Marks et al. 2024, arXiv
 *   2403.19647). It takes one run and its gradient for all features of all coders.
 * - "integrated-gradients": the mean gradient along the path from all of one coder's features at 0
 *   to their activations, with its error term fixed (Sundararajan et al. 2017, arXiv 1703.01365).
 *   It uses the midpoint rule with 32 steps, doubled up to 256 until the effects add up to the
 *   target's change within 1 %. `completeness` has the steps and the remaining gap.
 * - "ablation": exact. The target minus the target without the feature at that position, with the
 *   coder's error term kept. It takes one row of a batch for each active feature, from the coder's
 *   block on.
 *
 * Effects are in units of the target: logits, unless the target is a feature or a custom metric.
 *
 * `coders` and `interventions` apply to all runs, before the method's own changes. An effect by
 * "ablation" is the difference that `ablate(feature)` makes if you append it to `interventions`. If
 * they edit features of a coder in `through`, activations are those after the edits: a feature
 * clamped to 5 has the activation 5, an ablated one is not listed, and the effect is that of
 * removing the edited activation at the point of the edit. A downstream coder that is edited, or
 * spliced without its error term, may switch features on and off along a path of
 * "integrated-gradients". The target then jumps, gradients do not add up to its change, and `gap`
 * shows the difference.
 *
 * @example
 * const target = { logitDiff: [" Japanese", " German"] } as const;
 * const found = await attribute(model, text, { target, through: [sae], topK: 5 });
 * for (const { feature, position, effect } of found) console.log(feature, position, effect);
 *
 * @example
 * const without = { interventions: [ablate(sae.feature(213))] };
 * const target = { logit: " Japanese" } as const;
 * const left = await attribute(model, text, { target, through: [sae], ...without, topK: 5 });
 * console.log(left.some(({ feature }) => feature === 213)); // false
 *
 * @throws ARGUMENT if the input is a batch, a coder does not fit the model, or a token is unknown
 * @throws ARGUMENT if an intervention's `batch` is not 0 or its positions are out of range
 * @throws ARGUMENT if the target or an effect is not finite
 * @throws HOOK if a metric throws; SHAPE, DEVICE, DISPOSED; `signal.reason`
 */
export async function attribute(
  model: HookedTransformer,
  input: TokenInput,
  options: AttributeOptions,
): Promise<Attributions>;
export async function attribute(
  model: HookedTransformer,
  input: TokenInput,
  options: Partial<Pick<AttributeOptions, "target">> &
    Omit<AttributeOptions, "target"> & { readonly to?: AttributionTarget },
): Promise<Attributions> {
  const caller = "attribute";
  const client = new ModelClient(caller, model);
  client.checkAlive();
  if (options === undefined)
    throw argument(caller, "options with target and through", "options", "none");
  checkOptions(caller, options, [
    "target",
    "to",
    "through",
    "method",
    "excludeSpecialTokens",
    "topK",
    "batchSize",
    "prependBos",
    "coders",
    "interventions",
    "signal",
    "onProgress",
  ]);
  const { method = "gradient", topK, batchSize = 32, onProgress } = options;
  const run = methods[method];
  if (run === undefined) {
    const known = Object.keys(methods).map((name) => JSON.stringify(name));
    throw argument(caller, known.join(", "), "method", JSON.stringify(method));
  }
  if (topK !== undefined) checkCount(caller, "topK", topK);
  checkCount(caller, "batchSize", batchSize);
  if (!Array.isArray(options.through) || options.through.length === 0) {
    throw argument(caller, "a list of at least one coder", "through", String(options.through));
  }
  const through = [...new Set(options.through as readonly Coder[])];
  const excludeSpecialTokens = checkExcluded(
    caller,
    options.excludeSpecialTokens,
    "excludeSpecialTokens",
    client.cfg.dVocab,
  );
  for (const [i, coder] of through.entries()) client.checkCoder(`through[${i}]`, coder);
  const asked = renamed(
    caller,
    ["to", options.to],
    ["target", options.target],
  ) as AttributionTarget;
  using prompt = new Prompt(client, input, options);
  const target = new TargetValues(client, prompt, asked, "target");
  // Features of one coder read the same tensor, so one can't cause another.
  const own = "feature" in asked ? asked.feature.coder : undefined;
  const causes = through.filter((coder) => coder !== own);
  const features = causes.map((coder) => ({ coder, excludeSpecialTokens }));
  const edited = causes.filter((coder) => prompt.edits(coder) && !prompt.splices(coder));
  const { effects, value, completeness } = await run({
    caller,
    model,
    prompt,
    target,
    through: causes,
    features,
    edited,
    batchSize,
    onProgress,
  });
  return sortedAttributions(caller, effects, topK, value, completeness);
}

const methods = {
  gradient: gradientEffects,
  "integrated-gradients": integratedEffects,
  ablation: ablationEffects,
} as const;
