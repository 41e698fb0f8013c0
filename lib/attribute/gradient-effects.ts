import { type Coder, coderHandle } from "../coder/coder.js";
import { adoptFeatures, type FeatureActs, useFeatures } from "../coder/feature-acts.js";
import { task } from "../native/call.js";
import type { Tensor } from "../tensor/index.js";
import { handleOf } from "../tensor/internal.js";
import type { AttributionJob } from "./attribute.js";
import type { Attribution, Completeness } from "./attributions.js";

/** What a method finds, unsorted. */
export interface Effects {
  readonly effects: Attribution[];
  readonly value: number;
  readonly completeness?: readonly Completeness[];
}

/** Activation times gradient, of every active feature of every coder in one run. */
export async function gradientEffects(job: AttributionJob): Promise<Effects> {
  const { model, prompt, target, through, features, onProgress } = job;
  using run = await model.runWithGradients(prompt.ids, {
    ...prompt.runOptions,
    ...target.summed,
    names: through.map(({ cfg }) => cfg.hookNameOut),
    features,
  });
  const effects: Attribution[] = [];
  for (const coder of through) {
    const gradient: Tensor = run.grad(coder.cfg.hookNameOut);
    effects.push(...(await alongFeatures(job, coder, run.features(coder), gradient)));
  }
  onProgress?.({ done: 1, total: 1 });
  return { effects, value: run.value };
}

/** Activation · ⟨gradient, W_dec[feature]⟩ of each active feature; gradient [1, pos, ..]. */
export async function alongFeatures(
  { what, prompt }: AttributionJob,
  coder: Coder,
  acts: FeatureActs,
  gradient: Tensor,
): Promise<Attribution[]> {
  const active = await acts.read();
  using rows = gradient.reshape([prompt.length, coder.cfg.dOut]);
  const dots = await useFeatures(acts, what, (handle) =>
    task(
      what,
      (addon, ctx) => addon.coderDots(coderHandle(coder, what), handle, handleOf(rows, what), ctx),
      { signal: prompt.runOptions.signal },
    ),
  );
  using along = adoptFeatures(dots);
  const { values: slopes } = await along.read();
  return located(coder, active).map((entry, i) => ({
    ...entry,
    effect: entry.activation * (slopes[i] as number),
  }));
}

/** The active features of a prompt, position by position. */
export function located(
  coder: Coder,
  active: {
    readonly indptr: Int32Array;
    readonly indices: Int32Array;
    readonly values: Float32Array;
  },
): Omit<Attribution, "effect">[] {
  const { indptr, indices, values } = active;
  return Array.from({ length: indptr.length - 1 }, (_, position) => position).flatMap(
    (position) => {
      const first = indptr[position] as number;
      const row = indices.subarray(first, indptr[position + 1]);
      return Array.from(row, (feature, i) => {
        return { coder, feature, position, activation: values[first + i] as number };
      });
    },
  );
}
