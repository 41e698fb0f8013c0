import type { Coder } from "../coder/coder.js";
import { adoptFeatures, type FeatureActs } from "../coder/feature-acts.js";
import type { CoderSplice } from "../intervene/types.js";
import type { NativeGradientResult } from "../native/addon.js";
import { call } from "../native/call.js";
import type { Tensor } from "../tensor/tensor.js";
import { differentiate, execute } from "./execute.js";
import type { CompiledTarget } from "./gradient-target.js";
import { Gradients } from "./gradients.js";
import type { ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import { Run } from "./run.js";
import type { CacheOptions, ForwardOptions, GradientOptions, LossOptions } from "./run-options.js";
import { adoptAllObserved, adoptCache, adoptOutput, cellsOfRun, needed } from "./run-outcome.js";
import { planRun, type RunPlan } from "./run-plan.js";
import { predictedTokens } from "./run-start.js";
import { RunWithLogits } from "./run-with-logits.js";

/** Computes logits, or with `stopAtLayer` the residual stream. */
export async function forward(
  core: ModelCore,
  input: Input,
  options: ForwardOptions,
): Promise<Tensor> {
  using plan = planRun(core, "forward", input, options);
  return adoptOutput(core, plan, await execute(core, plan));
}

/** Computes the mean next-token loss, or each token's. */
export async function loss(
  core: ModelCore,
  input: Input,
  options: LossOptions,
): Promise<number | Tensor> {
  using plan = planRun(core, "loss", input, options);
  const perToken = adoptOutput(core, plan, await execute(core, plan));
  if (options.perToken === true) return perToken;
  try {
    const values = await perToken.read("float64");
    return values.reduce((sum, value) => sum + value, 0) / predictedTokens(plan.start);
  } finally {
    perToken.dispose();
  }
}

/** Computes activations, features and, unless `logits` is false, logits. */
export async function runWithCache(
  core: ModelCore,
  input: Input,
  options: CacheOptions,
): Promise<Run> {
  using plan = planRun(core, "runWithCache", input, options);
  const result = await execute(core, plan);
  const cache = adoptCache(core, plan, result.cache);
  const features = await adoptAllObserved(core, plan, result);
  if (plan.output === "none") return new Run(cache, features);
  const logits = adoptOutput(core, plan, result) as Tensor<["batch", "pos", "d_vocab"]>;
  return new RunWithLogits(cache, features, logits);
}

/** Computes a run and the gradient of one number at hooks and at features of spliced coders. */
export async function runWithGradients(
  core: ModelCore,
  input: Input,
  options: GradientOptions,
): Promise<Gradients> {
  using plan = planRun(core, "runWithGradients", input, options);
  const result = await differentiate(core, plan, plan.target as CompiledTarget);
  // The logits or losses of the target are not part of the result.
  const { output } = result;
  if (output !== undefined) call(plan.caller, (addon) => addon.dispose(output));
  const spliced = adoptSpliced(core, plan, (options.coders ?? []).map(coderOf), result);
  const observed = await adoptAllObserved(core, plan, result);
  for (const { coder, excluded } of plan.observed) {
    const acts = observed.get(coder) as FeatureActs;
    // A spliced coder has its features from the splice, unless some of them are excluded.
    const own = spliced.features.get(coder);
    if (own !== undefined && excluded === false) acts.dispose();
    else {
      own?.dispose();
      spliced.features.set(coder, acts);
    }
  }
  return new Gradients({
    value: result.value,
    cache: adoptCache(core, plan, result.cache),
    grads: adoptCache(core, plan, result.grads),
    features: spliced.features,
    featureGrads: spliced.grads,
  });
}

/** The features of the spliced coders, and the gradients at them. */
function adoptSpliced(
  core: ModelCore,
  { caller, start }: RunPlan,
  coders: readonly Coder[],
  result: NativeGradientResult,
) {
  const rows = cellsOfRun(core, start);
  const features = new Map<Coder, FeatureActs>();
  const grads = new Map<Coder, FeatureActs>();
  for (const [i, coder] of coders.entries()) {
    const spliced = needed(caller, result.spliced[i]);
    features.set(coder, adoptFeatures(spliced.features, { rows }));
    grads.set(coder, adoptFeatures(spliced.grads, { rows }));
  }
  return { features, grads };
}

function coderOf(use: CoderSplice): Coder {
  return "cfg" in use ? use : use.coder;
}
