import { writtenBy } from "../../coder/decoder-rows.js";
import type { FeatureActs } from "../../coder/feature-acts.js";
import type { SingleSiteCoder } from "../../coder/single-site-coder.js";
import { patch } from "../../intervene/patch.js";
import type { Patching } from "../../intervene/types.js";
import { tidy } from "../../native/scope.js";
import { tensor, zeros } from "../../tensor/factories.js";
import type { Tensor } from "../../tensor/tensor.js";
import { alongFeatures } from "./gradient-effects.js";
import { midpoints, type Path } from "./gradient-path.js";
import type { AttributionJob } from "./job.js";

/** The straight line of one coder's output from all features at 0 (`from`) to their activations. */
interface Line {
  readonly coder: SingleSiteCoder;
  readonly from: Tensor;
  /** Σ f·W_dec, in the tensor's shape. */
  readonly difference: Tensor;
  readonly start: number | undefined;
}

/**
 * The path of a coder that is neither spliced nor edited. It patches the tensor at `hookNameOut`,
 * after all interventions. `x` is that tensor in the run without a patch.
 */
export async function tensorPath(
  job: AttributionJob,
  coder: SingleSiteCoder,
  acts: FeatureActs,
  x: Tensor,
  start: number | undefined,
): Promise<Path> {
  const { signal } = job.prompt.runOptions;
  const difference = await writtenBy(job.caller, coder, acts, x, { signal });
  const from = tidy(() => x.sub(difference));
  const line = { coder, from, difference, start };
  return {
    values: (shares) => valuesOf(job, line, shares),
    effects: async (steps, advance) => {
      using mean = await meanGradient(job, line, steps, advance);
      return await alongFeatures(job, coder, acts, [mean]);
    },
    [Symbol.dispose]: () => {
      difference.dispose();
      from.dispose();
    },
  };
}

/**
 * The gradient at the coder's output, averaged over the midpoints of `steps` pieces: [1, pos, ..].
 */
async function meanGradient(
  { model, target, prompt, batchSize }: AttributionJob,
  line: Line,
  steps: number,
  advance: (rows: number) => void,
): Promise<Tensor> {
  const name = line.coder.cfg.hookNameOut;
  const { shape, dtype, device } = line.from;
  // float32 or wider adds up many small terms accurately.
  const sum = zeros(shape, { dtype: dtype === "float64" ? dtype : "float32", device });
  try {
    for (const shares of midpoints(steps, batchSize)) {
      using rows = prompt.rows(line.start, shares.length);
      using moved = pointsOn(line, shares);
      using change = patchOf(line, moved);
      const { input, interventions, ...options } = rows;
      using run = await model.runWithGradients(input, {
        ...options,
        ...target.summed,
        names: [name],
        interventions: [...interventions, change.patching],
      });
      const gradient: Tensor = run.grad(name);
      using here = tidy(() => gradient.to(sum.dtype).sum({ dim: 0, keepdim: true }));
      sum.add_(here);
      advance(shares.length);
    }
    return sum.div(steps);
  } finally {
    sum.dispose();
  }
}

/** The target's values at points of the line. */
async function valuesOf(
  { target, prompt }: AttributionJob,
  line: Line,
  shares: readonly number[],
): Promise<Float64Array> {
  using rows = prompt.rows(line.start, shares.length);
  using moved = pointsOn(line, shares);
  using change = patchOf(line, moved);
  return await target.of(rows, [change.patching]);
}

/** A patch of the coder's output, which owns its source. */
function patchOf({ coder }: Line, value: Tensor): { patching: Patching } & Disposable {
  const patching = patch(coder.cfg.hookNameOut, value);
  return { patching, [Symbol.dispose]: () => patching.source.dispose() };
}

/** The points of the line at these shares: [shares, pos, ..]. */
function pointsOn({ from, difference }: Line, shares: readonly number[]): Tensor {
  return tidy(() => {
    const shape = [shares.length, ...from.shape.slice(1).map(() => 1)];
    const weights = tensor(Float64Array.from(shares), { device: from.device }).reshape(shape);
    return from.add(difference.mul(weights.to(from.dtype)));
  });
}
