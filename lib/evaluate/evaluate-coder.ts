import { checkSingle } from "../attribute/single-site.js";
import type { Coder } from "../coder/coder.js";
import type { SingleSiteCoder } from "../coder/single-site-coder.js";
import {
  type Corpus,
  type CorpusBatch,
  type CorpusOptions,
  corpusBatches,
  corpusKeys,
} from "../corpus/corpus.js";
import { argument, checkCount, checkOptions } from "../errors/check-options.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { ModelClient } from "../model/model-client.js";
import { tidy } from "../native/scope.js";
import { zeros } from "../tensor/factories.js";
import type { Tensor } from "../tensor/tensor.js";
import { plainJson, withJson } from "../tensor/tensor-json.js";
import { CoderStatistics } from "./coder-statistics.js";
import { ReplacedLosses } from "./replaced-losses.js";
import { Replaced } from "./replaced-runs.js";

/** Options for `evaluateCoder`. */
export interface EvaluateOptions extends CorpusOptions {
  /**
   * Stop measuring losses and KL after this many counted tokens: their four runs are most of the
   * work. Default: measure on all tokens. With 0 they are NaN.
   */
  readonly lossTokens?: number | undefined;
  /**
   * The number of counted tokens, from the start of the corpus, over which the mean for mean
   * ablation is taken; their rows are run once more. Default 8192.
   */
  readonly meanTokens?: number | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of counted tokens done. */
  readonly onProgress?: ((progress: { tokens: number }) => void) | undefined;
}

/** A result for each of two ablations of x. */
export interface AgainstAblation {
  /** With x replaced by zeros. */
  readonly zero: number;
  /** With x replaced by its mean. */
  readonly mean: number;
}

/** A coder's reconstruction quality and its cost to the model's predictions. */
export interface CoderEvaluation {
  /** The number of counted tokens. */
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
  /** Mean next-token losses in nats at counted tokens: of the model, and with x replaced. */
  readonly loss: AgainstAblation & {
    /** The unchanged model's. */
    readonly original: number;
    /** With the bare reconstruction. */
    readonly spliced: number;
  };
  /** (loss ablated − loss spliced) / (loss ablated − loss original). */
  readonly lossRecovered: AgainstAblation;
  /** Mean KL(model ‖ model with x replaced) in nats at counted tokens. */
  readonly kl: AgainstAblation & {
    /** With the bare reconstruction. */
    readonly spliced: number;
  };
  /** (KL ablated − KL spliced) / KL ablated. */
  readonly klRecovered: AgainstAblation;
  /** The share of tokens on which each feature fires, [dSae]. */
  readonly density: Float32Array;
  /** The number of features that never fired. */
  readonly dead: number;
  /** The share of features that never fired. */
  readonly deadShare: number;
}

/**
 * Evaluates a coder on text: its reconstruction x̂ of x at `hookNameOut`, and the model's
 * predictions with x replaced by x̂, by zeros, and by its mean. The formulas are SAELens'
 * (evals.py), with the variance of the fraction unexplained summed over dimensions, Σ_d (E[x_d²] −
 * E[x_d]²).
 *
 * Special tokens (BOS) keep their activations, and neither they nor the predictions from them are
 * counted. The corpus is iterated once, and only a bounded part of it is in memory.
 *
 * @example
 * const texts = [text, "One sunny day, Lily saw a red bird in the garden."];
 * const { l0, explainedVariance, lossRecovered } = await evaluateCoder(model, sae, texts);
 * console.log(l0, explainedVariance, lossRecovered.mean);
 *
 * @throws ARGUMENT if the coder does not fit the model, or the corpus has no counted token
 * @throws UNSUPPORTED if the coder has several sites
 * @throws SHAPE, DEVICE, DISPOSED; what the corpus throws; `signal.reason`
 */
export async function evaluateCoder(
  model: HookedTransformer,
  given: Coder,
  corpus: Corpus,
  options: EvaluateOptions = {},
): Promise<CoderEvaluation> {
  const caller = "evaluateCoder";
  const client = new ModelClient(caller, model);
  client.checkAlive();
  checkOptions(caller, options, [
    ...corpusKeys,
    "lossTokens",
    "meanTokens",
    "signal",
    "onProgress",
  ]);
  const { meanTokens = 8192, lossTokens = Number.MAX_SAFE_INTEGER, signal, onProgress } = options;
  checkCount(caller, "meanTokens", meanTokens);
  if (lossTokens !== 0) checkCount(caller, "lossTokens", lossTokens);
  client.checkCoder("coder", given);
  const coder = checkSingle(caller, given, "its evaluation");
  const statistics = new CoderStatistics(coder.cfg.dSae, coder.cfg.dOut);
  const losses = new ReplacedLosses(client);
  const batches = corpusBatches(caller, model, corpus, options);
  try {
    const first = await firstBatches(batches, lossTokens === 0 ? 0 : meanTokens);
    using average = await meanOf(model, coder, first, signal);
    using runs = new Replaced(model, coder, average, signal);
    const measure = async (batch: CorpusBatch) => {
      const replaces = statistics.tokens < lossTokens;
      const { acts, normed } = await runs.of(batch, replaces, (x, rebuilt) =>
        statistics.addRebuilt(x, rebuilt, signal),
      );
      try {
        statistics.addFeatures(acts, batch.counted);
        if (replaces) await losses.add(batch, normed, signal);
      } finally {
        for (const run of normed) run.dispose();
      }
      onProgress?.({ tokens: statistics.tokens });
    };
    for (const batch of first.splice(0)) await measure(batch);
    for await (const batch of batches) await measure(batch);
  } finally {
    await batches.return();
  }
  if (statistics.tokens === 0 || (lossTokens > 0 && losses.predicted === 0)) {
    throw argument(caller, "at least one token to count and to predict", "corpus", "none");
  }
  return summary(statistics, losses);
}

/** The first batches, until they have `tokens` counted tokens. */
async function firstBatches(
  batches: AsyncGenerator<CorpusBatch, void, undefined>,
  tokens: number,
): Promise<CorpusBatch[]> {
  const first: CorpusBatch[] = [];
  for (let counted = 0; counted < tokens; ) {
    const next = await batches.next();
    if (next.done) break;
    first.push(next.value);
    counted += next.value.counted.length;
  }
  return first;
}

/** The mean of a coder's output tensor over the counted tokens, [dOut] float64. */
async function meanOf(
  model: HookedTransformer,
  coder: SingleSiteCoder,
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
  { losses, divergences }: ReplacedLosses,
): CoderEvaluation {
  const { original, spliced, zero, mean } = losses;
  const { tokens, l0, mse, fvu, cosine, l2Ratio, density, fired } = statistics;
  const dead = fired.filter((count) => count === 0).length;
  const found = {
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
    kl: divergences,
    klRecovered: {
      zero: (divergences.zero - divergences.spliced) / divergences.zero,
      mean: (divergences.mean - divergences.spliced) / divergences.mean,
    },
    density,
    dead,
    deadShare: dead / fired.length,
  };
  // JSON would turn a typed array into an object and NaN into null.
  return withJson(found, () => plainJson({ ...found }));
}
