import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { task } from "../../native/call.js";
import { handleOf } from "../../tensor/internal.js";
import type { Tensor } from "../../tensor/tensor.js";
import { PatchingGrid } from "./patching-grid.js";
import { type PatchingOptions, PatchingPair } from "./patching-pair.js";
import type { PatchCell } from "./patching-plan.js";

/**
 * Attribution patching, the gradient approximation of `activationPatching`: the whole grid takes
 * two runs and one gradient (Nanda 2023, "Attribution patching"; Syed et al. 2023, arXiv
 * 2310.10348). The estimate is the target of the base run plus (source activation − base
 * activation) · gradient. It is good for small changes and poor if the model saturates in between;
 * verify the largest cells with `activationPatching`.
 *
 * It takes the same options (`batchSize` has no effect) and returns the same grid, with estimates.
 * Throws as {@link activationPatching}; UNSUPPORTED if a point has no gradient.
 *
 * @example
 * const grid = await attributionPatching(model, {
 *   clean: text,
 *   corrupt: "Leo lives in Berlin. He speaks",
 *   target: { logitDiff: [" Japanese", " German"] },
 *   over: { points: "resid_pre" },
 * });
 * const { effect, share } = grid.at({ layer: 1, position: 7 });
 * console.log(effect, share);
 */
export async function attributionPatching(
  model: HookedTransformer,
  options: PatchingOptions,
): Promise<PatchingGrid> {
  using pair = new PatchingPair("attributionPatching", model, options);
  const { plan, base, source, direction, tokens, target } = pair;
  const unpatched = await pair.unpatchedTargets();
  using run = await model.runWithCache(source.ids, {
    ...source.runOptions,
    names: plan.names,
    logits: false,
  });
  using changed = await model.runWithGradients(base.ids, {
    ...base.runOptions,
    ...target.summed,
    names: plan.names,
  });
  const start = direction === "denoising" ? unpatched.corrupt : unpatched.clean;
  const values = new Float64Array(plan.cells.length);
  for (const name of plan.names) {
    const here = plan.cells.filter((cell) => cell.name === name);
    const { axes } = pair.client.point(name);
    const effects = await estimates(
      axes,
      run.cache.get(name),
      changed.cache.get(name),
      changed.grad(name),
    );
    for (const cell of here) values[cell.index] = start + sumOver(effects, cell);
  }
  options.onProgress?.({ done: values.length, total: values.length });
  return new PatchingGrid(plan, { ...unpatched, direction, tokens }, values);
}

interface Estimates {
  /** [position, head]; one head if the point has no heads. */
  readonly effects: Float64Array;
  readonly heads: number;
}

/** (source − own) · gradient, summed over all axes but positions and heads. */
async function estimates(
  axes: readonly string[],
  source: Tensor,
  own: Tensor,
  gradient: Tensor,
): Promise<Estimates> {
  const caller = "attributionPatching";
  const head = Math.max(axes.indexOf("head_index"), 0);
  const effects = await task(caller, (addon, ctx) =>
    addon.patchEstimates(
      handleOf(source, caller),
      handleOf(own, caller),
      handleOf(gradient, caller),
      head,
      ctx,
    ),
  );
  return { effects, heads: head === 0 ? 1 : (source.shape[head] ?? 1) };
}

function sumOver({ effects, heads }: Estimates, { position, head }: PatchCell): number {
  let sum = 0;
  for (const [i, effect] of effects.entries()) {
    if (position !== undefined && Math.floor(i / heads) !== position) continue;
    if (head === undefined || i % heads === head) sum += effect;
  }
  return sum;
}
