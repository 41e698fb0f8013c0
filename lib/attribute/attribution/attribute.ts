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

/** How effects are found; {@link attribute} says what each does. */
export type AttributionMethod = "gradient" | "integrated-gradients" | "ablation";

/** Options for `attribute`. */
export interface AttributeOptions extends PromptOptions {
  /** What effects are measured on: a logit, a logit difference, another coder's feature, a metric. */
  readonly target: AttributionTarget;
  /** The coders whose active features are asked about; that of a target feature is left out. */
  readonly through: readonly Coder[];
  /** Default "gradient". */
  readonly method?: AttributionMethod | undefined;
  /**
   * Leave the features of special tokens (BOS, turns and so on) out, or of the tokens with these
   * ids. Default false. "integrated-gradients" then leaves these tokens as they are on its way.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
  /** Only so many, the strongest. Default: all. */
  readonly topK?: number | undefined;
  /** Rows of one run, for the methods that make many. Default 32. */
  readonly batchSize?: number | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** Rows done, and how many there are so far. */
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** @deprecated `to` is the former name of `target`, and works for one version. */
export async function attribute(
  model: HookedTransformer,
  input: TokenInput,
  options: Omit<AttributeOptions, "target"> & { readonly to: AttributionTarget },
): Promise<Attributions>;
// Last: a call that does not compile is explained by this one.
/**
 * The effect of every active feature on a number, for one prompt, the strongest first.
 *
 * - "gradient": activation · ⟨∂target/∂x, W_dec[i]⟩, where x is the tensor that the coder rebuilds:
 *   what taking the feature out would do if the model were linear (Marks et al. 2024, arXiv
 *   2403.19647). One run and its gradient for all features of all coders.
 * - "integrated-gradients": the gradient's mean on the way from all of one coder's features at 0 to
 *   as they are, its error term fixed (Sundararajan et al. 2017, arXiv 1703.01365), by the midpoint
 *   rule with 32 steps, doubled to 256 until the effects add up to the target's change within 1 %.
 *   `completeness` has what was reached.
 * - "ablation": exact. The target minus the target without the feature at that position, the
 *   coder's error term kept: one row of a batch for each active feature, from the coder's own
 *   block on.
 *
 * Effects are in units of the target: logits, unless it is a feature or a metric of one's own.
 *
 * `coders` and `interventions` are in force during all runs, and come before the method's own
 * changes: an effect by "ablation" is the difference that `ablate(feature)` makes when you append it
 * to `interventions`. If they edit features of a coder in `through`, activations are those after the
 * edits: a feature clamped to 5 has the activation 5, an ablated one is not listed, and the effect
 * is that of removing the edited activation where the coder is edited. A coder that edits or bare
 * splices read further on may switch features on and off along a path of "integrated-gradients";
 * the target then jumps, gradients do not add up to its change, and `gap` shows it.
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
 * @throws ARGUMENT for a batch of prompts, a coder that does not fit the model, an unknown token
 * @throws ARGUMENT if an intervention's `batch` is not 0 or its positions are out of range
 * @throws ARGUMENT if the target or an effect is not finite
 * @throws HOOK when a metric throws; SHAPE, DEVICE, DISPOSED; `signal.reason`
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
  // A feature of a coder is no cause of another of the same: both read one tensor.
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
