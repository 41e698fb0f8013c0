import type { Coder } from "../coder/coder.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { checkCoder, pointsOf } from "../intervene/edit-place.js";
import { coreOf, type HookedTransformer } from "../model/hooked-transformer.js";
import { editPlace } from "../model/run-edits.js";
import { task } from "../native/call.js";
import { type Tensor, tidy, zeros } from "../tensor/index.js";
import { handleOf } from "../tensor/internal.js";
import { checkCount } from "./attribute.js";
import { CoderStatistics } from "./coder-statistics.js";
import {
  type Corpus,
  type CorpusBatch,
  type CorpusOptions,
  corpusKeys,
  readCorpus,
} from "./corpus.js";
import { Replaced } from "./replaced-runs.js";

export interface EvaluateOptions extends CorpusOptions {
  /**
   * The mean for mean ablation is that of the first so many counted tokens, whose rows are run once
   * more for it. Default 8192.
   */
  readonly meanTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Counted tokens done. */
  readonly onProgress?: ((progress: { tokens: number }) => void) | undefined;
}

/** One number against each of two ablations. */
export interface AgainstAblation {
  readonly zero: number;
  readonly mean: number;
}

/** How well a coder rebuilds what it reads, and what the model loses by it. */
export interface CoderEvaluation {
  /** Tokens that were counted. */
  readonly tokens: number;
  /** Mean number of active features. */
  readonly l0: number;
  /** Mean over tokens of Σ_d (x − x̂)². */
  readonly mse: number;
  /** Fraction of variance unexplained: Σ|x − x̂|² / Σ|x − mean x|². */
  readonly fvu: number;
  /** 1 − FVU. */
  readonly explainedVariance: number;
  /** Mean cosine similarity of x and x̂. */
  readonly cosine: number;
  /** Mean of |x̂| / |x|. */
  readonly l2Ratio: number;
  /** Mean next-token losses in nats where tokens count: of the model, and with x replaced. */
  readonly loss: AgainstAblation & { readonly original: number; readonly spliced: number };
  /** (loss ablated − loss spliced) / (loss ablated − loss original). */
  readonly lossRecovered: AgainstAblation;
  /** Mean KL(model ‖ model with x replaced) in nats where tokens count. */
  readonly kl: AgainstAblation & { readonly spliced: number };
  /** (KL ablated − KL spliced) / KL ablated. */
  readonly klRecovered: AgainstAblation;
  /** The share of tokens that each feature fires on, [dSae]. */
  readonly density: Float32Array;
  /** Features that never fired, and their share of all. */
  readonly dead: number;
  readonly deadShare: number;
}

/**
 * Evaluates a coder on text: what it rebuilds (x̂ of x at `hookNameOut`), and how the model predicts
 * when x is replaced by x̂, by zeros, and by its mean. The formulas are SAELens' (evals.py), with the
 * variance of the fraction unexplained summed over dimensions, Σ_d (E[x_d²] − E[x_d]²).
 *
 * Special tokens (BOS) keep their activation and are not counted, nor is what is predicted from
 * them. The corpus is read once, a bounded part at a time.
 *
 * @example
 * const { explainedVariance, lossRecovered, dead } = await evaluateCoder(model, sae, texts);
 *
 * @throws ARGUMENT for a coder that does not fit the model, or a corpus without a counted token
 */
export async function evaluateCoder(
  model: HookedTransformer,
  coder: Coder,
  corpus: Corpus,
  options: EvaluateOptions = {},
): Promise<CoderEvaluation> {
  const what = "evaluateCoder";
  const core = coreOf(model, what);
  core.handle(what);
  checkOptions(what, options, [...corpusKeys, "meanTokens", "signal", "onProgress"]);
  const { meanTokens = 8192, signal, onProgress } = options;
  checkCount(what, "meanTokens", meanTokens);
  const place = editPlace(what, core);
  pointsOf(place, "coder", checkCoder(place, "coder", coder));
  const statistics = new CoderStatistics(coder.cfg.dSae, coder.cfg.dOut);
  const losses = new Float64Array(4);
  const kls = new Float64Array(4);
  let predicted = 0;
  const batches = readCorpus(what, model, corpus, options);
  const first = await take(batches, meanTokens);
  using average = await meanOf(model, coder, first, signal);
  using runs = new Replaced(model, coder, average, signal);

  const measure = async (batch: CorpusBatch) => {
    const { acts, normed } = await runs.of(batch, (x, rebuilt) =>
      statistics.addRebuilt(x, rebuilt),
    );
    try {
      statistics.addFeatures(acts, batch.counted);
      const compared = await task(
        what,
        (addon, ctx) =>
          addon.modelCompare(
            core.handle(what),
            normed.map((run) => handleOf(run, what)),
            batch.next,
            ctx,
          ),
        { signal },
      );
      const { counted, predicting } = batch;
      for (let run = 0; run < normed.length; run++) {
        const first = run * batch.next.length;
        for (const cell of predicting) {
          losses[run] = (losses[run] as number) + (compared.loss[first + cell] as number);
        }
        for (const cell of counted) {
          kls[run] = (kls[run] as number) + (compared.kl[first + cell] as number);
        }
      }
      predicted += predicting.length;
    } finally {
      for (const run of normed) run.dispose();
    }
    onProgress?.({ tokens: statistics.tokens });
  };
  for (const batch of first.splice(0)) await measure(batch);
  for await (const batch of batches) await measure(batch);
  if (statistics.tokens === 0 || predicted === 0) {
    throw argument(what, "at least one token to count and to predict", "corpus", "none");
  }
  const mean = (sums: Float64Array, count: number) => sums.map((sum) => sum / count);
  return summary(statistics, mean(losses, predicted), mean(kls, statistics.tokens));
}

/** The first batches, as many as bring `tokens` counted tokens. */
async function take(
  batches: AsyncGenerator<CorpusBatch, void, undefined>,
  tokens: number,
): Promise<CorpusBatch[]> {
  const taken: CorpusBatch[] = [];
  for (let counted = 0; counted < tokens; ) {
    const next = await batches.next();
    if (next.done) break;
    taken.push(next.value);
    counted += next.value.counted.length;
  }
  return taken;
}

/** The mean of a coder's output tensor over the counted tokens, [dOut] float64. */
async function meanOf(
  model: HookedTransformer,
  coder: Coder,
  batches: readonly CorpusBatch[],
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  const { hookNameOut, dOut } = coder.cfg;
  let sum = zeros([dOut], { dtype: "float64", device: model.cfg.device });
  let tokens = 0;
  for (const { tokens: input, counted } of batches) {
    if (counted.length === 0) continue;
    using run = await model.runWithCache(input, { names: [hookNameOut], logits: false, signal });
    const before = sum;
    sum = tidy(() => {
      const x: Tensor = run.cache.get(hookNameOut);
      const rows = x.reshape([-1, dOut]).index(0, [...counted]);
      return before.add(rows.to("float64").sum({ dim: 0 }));
    });
    before.dispose();
    tokens += counted.length;
  }
  using total = sum;
  return total.div(Math.max(tokens, 1));
}

function summary(
  statistics: CoderStatistics,
  losses: Float64Array,
  kls: Float64Array,
): CoderEvaluation {
  const [original, spliced, zero, mean] = losses as unknown as [number, number, number, number];
  const [, klSpliced, klZero, klMean] = kls as unknown as [number, number, number, number];
  const { tokens, l0, mse, fvu, cosine, l2Ratio, density, fired } = statistics;
  const dead = fired.filter((count) => count === 0).length;
  return {
    tokens,
    l0,
    mse,
    fvu,
    explainedVariance: 1 - fvu,
    cosine,
    l2Ratio,
    loss: { original, spliced, zero, mean },
    lossRecovered: {
      zero: (zero - spliced) / (zero - original),
      mean: (mean - spliced) / (mean - original),
    },
    kl: { spliced: klSpliced, zero: klZero, mean: klMean },
    klRecovered: { zero: (klZero - klSpliced) / klZero, mean: (klMean - klSpliced) / klMean },
    density,
    dead,
    deadShare: dead / fired.length,
  };
}
