import type { ActivationCache } from "../../hooks/activation-cache.js";
import { patch } from "../../intervene/patch.js";
import type { Patching } from "../../intervene/types.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { PatchingGrid } from "./patching-grid.js";
import { type PatchingOptions, PatchingPair } from "./patching-pair.js";
import type { PatchCell } from "./patching-plan.js";

/**
 * Activation patching (Meng et al. 2022, arXiv 2202.05262; Heimersheim and Nanda 2024, arXiv
 * 2404.15255) runs one prompt with activations of another, one at a time, and measures the target.
 * It is exact, and takes one row of a batch for each cell, from the cell's block on.
 *
 * @example
 * const grid = await activationPatching(model, {
 *   clean: "Leo lives in Osaka. He speaks",
 *   corrupt: "Leo lives in Berlin. He speaks",
 *   target: { logitDiff: [" Japanese", " German"] },
 *   over: { points: "resid_pre", layers: [1], positions: [-1] },
 * });
 * console.log(grid.at({ layer: 1, position: 7 }).share);
 *
 * @throws ARGUMENT if the prompts differ in length, or a prompt is a batch
 * @throws NOT_FOUND if a point does not exist
 * @throws ARGUMENT if the target is not finite
 * @throws HOOK if the metric throws; SHAPE, DEVICE, DISPOSED; `signal.reason`
 */
export async function activationPatching(
  model: HookedTransformer,
  options: PatchingOptions,
): Promise<PatchingGrid> {
  using pair = new PatchingPair("activationPatching", model, options);
  const { plan, base, source, direction, tokens, target, batchSize } = pair;
  const unpatched = await pair.unpatchedTargets();
  const starts = new Map(plan.layers.map((layer) => [layer, base.startFor(layer)]));
  await base.prepare([...starts.values()]);
  using run = await model.runWithCache(source.ids, {
    ...source.runOptions,
    names: plan.names,
    logits: false,
  });
  const values = new Float64Array(plan.cells.length);
  let done = 0;
  for (const layer of plan.layers) {
    // Cells of one layer share the computation of the blocks before it.
    const here = plan.cells.filter((cell) => cell.layer === layer);
    for (let at = 0; at < here.length; at += batchSize) {
      const chunk = here.slice(at, at + batchSize);
      using rows = base.rows(starts.get(layer), chunk.length);
      const patches = chunk.map((cell, row) => patchOf(cell, row, run.cache));
      try {
        const read = await target.of(rows, patches);
        for (const [row, { index }] of chunk.entries()) values[index] = read[row] as number;
      } finally {
        for (const { source: held } of patches) held.dispose();
      }
      done += chunk.length;
      options.onProgress?.({ done, total: values.length });
    }
  }
  return new PatchingGrid(plan, { ...unpatched, direction, tokens }, values);
}

function patchOf(
  { name, position, head }: PatchCell,
  row: number,
  cache: ActivationCache,
): Patching {
  return patch(name, cache, {
    batch: row,
    ...(position !== undefined && { positions: position }),
    ...(head !== undefined && { heads: head }),
  });
}
