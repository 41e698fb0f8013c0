import { type Coder, coderHandle } from "../coder/coder.js";
import { type FeatureActs, useFeatures } from "../coder/feature-acts.js";
import { patch } from "../intervene/patch.js";
import type { Patching } from "../intervene/types.js";
import { task } from "../native/call.js";
import { type Tensor, tensor, tidy, zeros } from "../tensor/index.js";
import { adopt, handleOf } from "../tensor/internal.js";
import type { AttributionJob } from "./attribute.js";
import type { Attribution, Completeness } from "./attributions.js";
import { alongFeatures, type Effects } from "./gradient-effects.js";
import { blockOf } from "./prompt.js";

const fewestSteps = 32;
const mostSteps = 256;
const enough = 0.01;

/** The straight way of one coder's tensor from all features at 0 (`from`) to as they are. */
interface Path {
  readonly coder: Coder;
  readonly from: Tensor;
  /** Σ f·W_dec, in the tensor's shape. */
  readonly by: Tensor;
  readonly start: number | undefined;
}

/** The gradient's mean along each coder's path, at its features. */
export async function integratedEffects(job: AttributionJob): Promise<Effects> {
  const { model, prompt, target, through, features, onProgress } = job;
  const starts = through.map(({ cfg }) => prompt.startFor(blockOf(cfg.hookNameOut)));
  await prompt.prepare(starts);
  using run = await model.runWithCache(prompt.ids, {
    ...prompt.runOptions,
    names: through.map(({ cfg }) => cfg.hookNameOut),
    features,
    logits: false,
  });
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
    const x: Tensor = run.cache.get(coder.cfg.hookNameOut);
    const acts = run.features(coder);
    using by = await written(job, coder, acts, x);
    using from = x.sub(by);
    const path: Path = { coder, from, by, start: starts[i] };
    const [nothing, all] = await valuesOf(job, path, [0, 1]);
    const change = (all as number) - (nothing as number);
    for (let steps = fewestSteps; ; steps *= 2) {
      using mean = await meanGradient(job, path, steps, advance);
      const found = await alongFeatures(job, coder, acts, mean);
      const sum = found.reduce((total, { effect }) => total + effect, 0);
      const gap = sum === change ? 0 : Math.abs(sum - change) / Math.abs(change);
      if (gap > enough && steps < mostSteps) continue;
      effects.push(...found);
      completeness.push({ coder, steps, change, gap });
      break;
    }
  }
  return { effects, value, completeness };
}

/** Σ f·W_dec in the shape and type of x. */
async function written(
  { what, prompt }: AttributionJob,
  coder: Coder,
  acts: FeatureActs,
  x: Tensor,
): Promise<Tensor> {
  const { signal } = prompt.runOptions;
  const place = { dtype: x.dtype, device: x.device };
  using base = zeros(x.shape, place);
  using input = zeros([1, prompt.length, coder.cfg.dIn], place);
  using none = await coder.encode(input, { features: [], unchecked: true, signal });
  const sum = await useFeatures(none, what, (before) =>
    useFeatures(acts, what, (after) =>
      task(
        what,
        (addon, ctx) =>
          addon.coderApplyEdit(coderHandle(coder, what), handleOf(base, what), before, after, ctx),
        { signal },
      ),
    ),
  );
  return adopt(sum);
}

/** The gradient at the coder's output, averaged over the midpoints of `steps` pieces: [1, pos, ..]. */
async function meanGradient(
  { model, target, prompt, batchSize }: AttributionJob,
  path: Path,
  steps: number,
  advance: (rows: number) => void,
): Promise<Tensor> {
  const name = path.coder.cfg.hookNameOut;
  const { shape, dtype, device } = path.from;
  // Wide enough to add up many small pieces.
  const sum = zeros(shape, { dtype: dtype === "float64" ? dtype : "float32", device });
  try {
    for (let at = 0; at < steps; at += batchSize) {
      const count = Math.min(batchSize, steps - at);
      const alphas = Array.from({ length: count }, (_, i) => (at + i + 0.5) / steps);
      using rows = prompt.rows(path.start, count);
      using moved = along(path, alphas);
      using change = patchOf(path, moved);
      const { input, ...options } = rows;
      using run = await model.runWithGradients(input, {
        ...options,
        ...target.summed,
        names: [name],
        interventions: [change.patching],
      });
      const gradient: Tensor = run.grad(name);
      using here = tidy(() => gradient.to(sum.dtype).sum({ dim: 0, keepdim: true }));
      sum.add_(here);
      advance(count);
    }
    return sum.div(steps);
  } finally {
    sum.dispose();
  }
}

/** The target at points of the path. */
async function valuesOf(
  { target, prompt }: AttributionJob,
  path: Path,
  alphas: readonly number[],
): Promise<Float64Array> {
  using rows = prompt.rows(path.start, alphas.length);
  using moved = along(path, alphas);
  using change = patchOf(path, moved);
  return await target.of(rows, [change.patching]);
}

/** The coder's output put in, with what it holds. */
function patchOf({ coder }: Path, value: Tensor): { patching: Patching } & Disposable {
  const patching = patch(coder.cfg.hookNameOut, value);
  return { patching, [Symbol.dispose]: () => patching.source.dispose() };
}

/** [alphas, pos, ..] */
function along({ from, by }: Path, alphas: readonly number[]): Tensor {
  return tidy(() => {
    const shape = [alphas.length, ...from.shape.slice(1).map(() => 1)];
    const weights = tensor(Float64Array.from(alphas), { device: from.device }).reshape(shape);
    return from.add(by.mul(weights.to(from.dtype)));
  });
}
