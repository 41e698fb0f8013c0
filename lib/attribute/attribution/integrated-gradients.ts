import { parseHookName } from "../../hooks/parse-hook-name.js";
import { checkSingle } from "../single-site.js";
import type { Attribution, Completeness } from "./attributions.js";
import { isSplicedOrEdited, observePrompt } from "./feature-at.js";
import { featurePath } from "./feature-path.js";
import type { AttributionJob, Effects } from "./job.js";
import { tensorPath } from "./tensor-path.js";

const fewestSteps = 32;
const mostSteps = 256;
const targetGap = 0.01;
const use = '"integrated-gradients"';

/** Activation times the mean gradient along each coder's path, of every active feature. */
export async function integratedEffects(job: AttributionJob): Promise<Effects> {
  const { prompt, target, onProgress } = job;
  const through = job.through.map((coder) => checkSingle(job.caller, coder, use));
  const inStep = through.map((coder) => isSplicedOrEdited(job, coder));
  const starts = through.map(({ cfg }, i) =>
    prompt.startFor(parseHookName(inStep[i] ? cfg.hookName : cfg.hookNameOut).layer),
  );
  await prompt.prepare(starts);
  const outputs = through.filter((_, i) => !inStep[i]).map(({ cfg }) => cfg.hookNameOut);
  using run = await observePrompt(job, outputs);
  using whole = prompt.rows(undefined, 1);
  const [value = Number.NaN] = await target.of(whole);
  const effects: Attribution[] = [];
  const completeness: Completeness[] = [];
  let done = 0;
  const advance = (rows: number) => {
    done += rows;
    onProgress?.({ done, total: Math.max(done, through.length * fewestSteps) });
  };
  for (const [i, coder] of through.entries()) {
    const acts = run.features(coder);
    using path = inStep[i]
      ? await featurePath(job, coder, acts, starts[i])
      : await tensorPath(job, coder, acts, run.cache.get(coder.cfg.hookNameOut), starts[i]);
    const [atZero, atFull] = await path.values([0, 1]);
    const change = (atFull as number) - (atZero as number);
    for (let steps = fewestSteps; ; steps *= 2) {
      const found = await path.effects(steps, advance);
      const sum = found.reduce((total, { effect }) => total + effect, 0);
      const gap = sum === change ? 0 : Math.abs(sum - change) / Math.abs(change);
      if (gap > targetGap && steps < mostSteps) continue;
      effects.push(...found);
      completeness.push({ coder, steps, change, gap });
      break;
    }
  }
  return { effects, value, completeness };
}
