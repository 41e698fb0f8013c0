import type { Coder } from "../coder/coder.js";
import { type Corpus, type CorpusOptions, corpusBatches, corpusKeys } from "../corpus/corpus.js";
import { argument, checkOptions } from "../errors/check-options.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { ModelClient } from "../model/model-client.js";

/** Options for `featureMeans`. */
export interface FeatureMeansOptions extends CorpusOptions {
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of counted tokens done. */
  readonly onProgress?: ((progress: { tokens: number }) => void) | undefined;
}

/**
 * Each feature's mean activation over a corpus, [dSae], zeros included, for mean ablation. Special
 * tokens (BOS) are not counted unless `excludeSpecialTokens` is false.
 *
 * @example
 * const means = await featureMeans(model, sae, [text, "One sunny day, Lily saw a red bird."]);
 * const usual = ablate(sae.feature(213), { to: means[213] });
 *
 * @throws ARGUMENT if the coder does not fit the model, or the corpus has no counted token
 * @throws SHAPE, DEVICE, DISPOSED; what the corpus throws; `signal.reason`
 */
export async function featureMeans(
  model: HookedTransformer,
  coder: Coder,
  corpus: Corpus,
  options: FeatureMeansOptions = {},
): Promise<Float32Array> {
  const caller = "featureMeans";
  const client = new ModelClient(caller, model);
  client.checkAlive();
  checkOptions(caller, options, [...corpusKeys, "signal", "onProgress"]);
  const { signal, onProgress } = options;
  client.readPoints("coder", coder);
  const sums = new Float64Array(coder.cfg.dSae);
  let tokens = 0;
  for await (const batch of corpusBatches(caller, model, corpus, options)) {
    if (batch.counted.length === 0) continue;
    using run = await model.runWithCache(batch.tokens, {
      names: [],
      features: [coder],
      logits: false,
      signal,
    });
    const { indptr, indices, values } = await run.features(coder).read();
    for (const row of batch.counted) {
      for (let i = indptr[row] as number; i < (indptr[row + 1] as number); i++) {
        const feature = indices[i] as number;
        sums[feature] = (sums[feature] as number) + (values[i] as number);
      }
    }
    tokens += batch.counted.length;
    onProgress?.({ tokens });
  }
  if (tokens === 0) throw argument(caller, "at least one token to count", "corpus", "none");
  return Float32Array.from(sums, (sum) => sum / tokens);
}
