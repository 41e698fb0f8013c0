import type { Coder } from "../../coder/coder.js";
import type { FeatureActs } from "../../coder/feature-acts.js";
import { scale } from "../../intervene/features.js";
import { inOrderSplice } from "../../intervene/splices.js";
import type { Scaling } from "../../intervene/types.js";
import { featureKey, featuresByPosition } from "./feature-at.js";
import { midpoints, type Path } from "./gradient-path.js";
import type { AttributionJob } from "./job.js";

/**
 * The path of a coder that the runs splice or edit. Its features are scaled in the same step, so
 * that later changes of the tensor also apply at each point of the path.
 */
export async function featurePath(
  { model, target, prompt, edited, batchSize }: AttributionJob,
  coder: Coder,
  acts: FeatureActs,
  start: number | undefined,
): Promise<Path> {
  const active = featuresByPosition(coder, await acts.read());
  const { length } = prompt;
  const index = new Map(active.map((entry, i) => [featureKey(entry), i]));
  const positions = new Map<number, number[]>();
  for (const { feature, position } of active) {
    positions.set(feature, [...(positions.get(feature) ?? []), position]);
  }
  const scaled = (shares: readonly number[]): Scaling[] =>
    shares.flatMap((share, batch) =>
      Array.from(positions, ([feature, positions]) =>
        scale({ coder, feature }, share, { positions, batch }),
      ),
    );
  const own = edited.includes(coder) ? [inOrderSplice(coder)] : [];
  return {
    values: async (shares) => {
      using rows = prompt.rows(start, shares.length);
      return await target.of(rows, scaled(shares));
    },
    effects: async (steps, advance) => {
      const sums = new Float64Array(active.length);
      for (const shares of midpoints(steps, batchSize)) {
        using rows = prompt.rows(start, shares.length);
        const { input, coders, interventions, ...options } = rows;
        using run = await model.runWithGradients(input, {
          ...options,
          ...target.summed,
          coders: [...coders, ...own],
          interventions: [...interventions, ...scaled(shares)],
        });
        // An entry's activation is the gradient, and its position counts through all rows of the
        // batch.
        for (const slope of featuresByPosition(coder, await run.grad(coder).read())) {
          const key = featureKey({ ...slope, position: slope.position % length });
          const i = index.get(key);
          if (i !== undefined) sums[i] = (sums[i] as number) + slope.activation;
        }
        advance(shares.length);
      }
      return active.map((entry, i) => ({
        ...entry,
        effect: (entry.activation * (sums[i] as number)) / steps,
      }));
    },
    [Symbol.dispose]: () => {},
  };
}
