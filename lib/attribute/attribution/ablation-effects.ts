import { ablate } from "../../intervene/features.js";
import { firstBlock } from "../prompt.js";
import type { Attribution } from "./attributions.js";
import { type FeatureAt, featuresByPosition, observePrompt } from "./feature-at.js";
import type { AttributionJob, Effects } from "./job.js";

/** The effect of ablating each active feature at each position, one row of a batch for each. */
export async function ablationEffects(job: AttributionJob): Promise<Effects> {
  const { prompt, target, through, batchSize, onProgress } = job;
  const starts = through.map(({ cfg }) => prompt.startFor(firstBlock(cfg.reads)));
  await prompt.prepare(starts);
  const active = await activeFeatures(job);
  const total = active.reduce((sum, entries) => sum + entries.length, 0);
  const effects: Attribution[] = [];
  using whole = prompt.rows(undefined, 1);
  const [value = Number.NaN] = await target.of(whole);
  for (const [i, entries] of active.entries()) {
    for (let at = 0; at < entries.length; at += batchSize) {
      const chunk = entries.slice(at, at + batchSize);
      using rows = prompt.rows(starts[i], chunk.length);
      const without = await target.of(
        rows,
        chunk.map(({ coder, feature, position }, batch) =>
          ablate({ coder, feature }, { positions: position, batch }),
        ),
      );
      effects.push(
        ...chunk.map((entry, row) => ({ ...entry, effect: value - (without[row] as number) })),
      );
      onProgress?.({ done: effects.length, total });
    }
  }
  return { effects, value };
}

/** The active features of each coder. */
async function activeFeatures(job: AttributionJob): Promise<FeatureAt[][]> {
  using run = await observePrompt(job, []);
  const active: FeatureAt[][] = [];
  for (const coder of job.through)
    active.push(featuresByPosition(coder, await run.features(coder).read()));
  return active;
}
