import type { Site } from "../coder/site.js";
import type { CorpusBatch } from "../corpus/corpus.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { tidy } from "../native/scope.js";
import { zeros } from "../tensor/factories.js";
import type { Tensor } from "../tensor/tensor.js";

/** The mean tensor of each site over the counted tokens, [width] float64. The caller disposes them. */
export async function outputMeans(
  model: HookedTransformer,
  sites: readonly Site[],
  batches: readonly CorpusBatch[],
  signal: AbortSignal | undefined,
): Promise<Tensor[]> {
  const { device } = model.cfg;
  const sums = sites.map(({ width }): Tensor => zeros([width], { dtype: "float64", device }));
  let tokens = 0;
  try {
    for (const { tokens: input, counted } of batches) {
      if (counted.length === 0) continue;
      const names = sites.map(({ hookName }) => hookName);
      using run = await model.runWithCache(input, { names, logits: false, signal });
      for (const [i, { hookName, width }] of sites.entries()) {
        const before = sums[i] as Tensor;
        sums[i] = tidy(() => {
          const x: Tensor = run.cache.get(hookName);
          const rows = x.reshape([-1, width]).index(0, [...counted]);
          return before.add(rows.to("float64").sum({ dim: 0 }));
        });
        before.dispose();
      }
      tokens += counted.length;
    }
    return sums.map((sum) => sum.div(Math.max(tokens, 1)));
  } finally {
    for (const sum of sums) sum.dispose();
  }
}
