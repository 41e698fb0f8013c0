import type { Coder } from "../../coder/coder.js";
import { alongDecoder } from "../../coder/decoder-rows.js";
import type { FeatureActs } from "../../coder/feature-acts.js";
import { inOrderSplice } from "../../intervene/splices.js";
import type { Gradients } from "../../model/gradients.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Attribution } from "./attributions.js";
import { featureKey, featuresByPosition, isSplicedOrEdited } from "./feature-at.js";
import type { AttributionJob, Effects } from "./job.js";

/**
 * Activation times gradient of every active feature. One run serves all coders, except those that
 * are edited but not spliced. Each of these gets a separate run that splices it, because the error
 * term of one splice would stop the gradient before it reaches another coder.
 */
export async function gradientEffects(job: AttributionJob): Promise<Effects> {
  const { model, prompt, target, through, features, edited, onProgress } = job;
  const { coders, ...options } = prompt.runOptions;
  const together = through.filter((coder) => !edited.includes(coder));
  const groups = [together, ...edited.map((coder) => [coder])].filter(({ length }) => length > 0);
  const effects: Attribution[] = [];
  let value: number | undefined;
  for (const [i, group] of (groups.length === 0 ? [[]] : groups).entries()) {
    const own = group.filter((coder) => edited.includes(coder));
    const plain = group.filter((coder) => !isSplicedOrEdited(job, coder));
    using run = await model.runWithGradients(prompt.ids, {
      ...options,
      ...target.summed,
      coders: [...coders, ...own.map(inOrderSplice)],
      names: plain.flatMap(({ cfg }) => cfg.writes.map(({ hookName }) => hookName)),
      features: features.filter(({ coder }) => group.includes(coder)),
    });
    value ??= run.value;
    for (const coder of group) {
      const found = plain.includes(coder)
        ? alongFeatures(job, coder, run.features(coder), gradientsOf(coder, run))
        : inStepEffects(coder, run);
      effects.push(...(await found));
    }
    onProgress?.({ done: i + 1, total: Math.max(groups.length, 1) });
  }
  return { effects, value: value ?? Number.NaN };
}

async function inStepEffects(coder: Coder, run: Gradients): Promise<Attribution[]> {
  const active = featuresByPosition(coder, await run.features(coder).read());
  const slopes = new Map<string, number>();
  // An entry's activation is the gradient.
  for (const entry of featuresByPosition(coder, await run.grad(coder).read())) {
    slopes.set(featureKey(entry), entry.activation);
  }
  return active.map((entry) => ({
    ...entry,
    effect: entry.activation * (slopes.get(featureKey(entry)) ?? 0),
  }));
}

/** The gradient at each site that a coder writes. */
function gradientsOf({ cfg }: Coder, run: Gradients): Tensor[] {
  return cfg.writes.map(({ hookName }) => run.grad(hookName as string) as Tensor);
}

/**
 * Activation · ⟨gradient, W_dec[feature]⟩ of each active feature; gradients [1, pos, ..], one for
 * each write site.
 */
export async function alongFeatures(
  { caller, prompt }: AttributionJob,
  coder: Coder,
  acts: FeatureActs,
  gradients: readonly Tensor[],
): Promise<Attribution[]> {
  const active = await acts.read();
  const { signal } = prompt.runOptions;
  using along = await alongDecoder(caller, coder, acts, gradients, { signal });
  const { values: slopes } = await along.read();
  return featuresByPosition(coder, active).map((entry, i) => ({
    ...entry,
    effect: entry.activation * (slopes[i] as number),
  }));
}
