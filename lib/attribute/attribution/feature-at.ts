import type { Coder } from "../../coder/coder.js";
import { inOrderSplice } from "../../intervene/splices.js";
import type { Attribution } from "./attributions.js";
import type { AttributionJob } from "./job.js";

/** An active feature at a position of a prompt, before its effect is known. */
export type FeatureAt = Omit<Attribution, "effect">;

/** The active features of a prompt, position by position. */
export function featuresByPosition(
  coder: Coder,
  active: {
    readonly indptr: Int32Array;
    readonly indices: Int32Array;
    readonly values: Float32Array;
  },
): FeatureAt[] {
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

/** A map key for a coder's feature at a position. */
export function featureKey({ position, feature }: Pick<FeatureAt, "position" | "feature">): string {
  return `${position} ${feature}`;
}

/**
 * Whether the runs splice a coder or edit its features, so that gradients are taken in that step.
 */
export function isSplicedOrEdited({ prompt, edited }: AttributionJob, coder: Coder): boolean {
  return prompt.splices(coder) || edited.includes(coder);
}

/** Runs the prompt, and keeps the features of all coders and the activations at `names`. */
export function observePrompt(
  { model, prompt, features, edited }: AttributionJob,
  names: readonly string[],
) {
  const { coders, ...options } = prompt.runOptions;
  return model.runWithCache(prompt.ids, {
    ...options,
    coders: [...coders, ...edited.map(inOrderSplice)],
    names,
    features,
    logits: false,
  });
}
