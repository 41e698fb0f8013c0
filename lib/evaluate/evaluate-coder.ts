import type { Coder } from "../coder/coder.js";
import { SingleSiteCoder } from "../coder/single-site-coder.js";
import type { Site } from "../coder/site.js";
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
import type { Tensor } from "../tensor/tensor.js";
import { plainJson, withJson } from "../tensor/tensor-json.js";
import { CoderStatistics, joined, type RebuiltRows, rebuiltRows } from "./coder-statistics.js";
import { outputMeans } from "./output-means.js";
import { ReplacedLosses } from "./replaced-losses.js";
import { Replaced, type Replacement } from "./replaced-runs.js";
import { ReplacedSites } from "./replaced-sites.js";

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

/** How close a reconstruction x̂ is to x. */
export interface RebuildingQuality {
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
}

/** The quality of what a coder rebuilds at one site. */
export interface SiteEvaluation extends RebuildingQuality {
  /** The hook that the coder writes. */
  readonly hookName: string;
}

/** A coder's reconstruction quality and its cost to the model's predictions. */
export interface CoderEvaluation extends RebuildingQuality {
  /** The number of counted tokens. */
  readonly tokens: number;
  /** Mean number of active features. */
  readonly l0: number;
  /** The same for each of `cfg.writes`, alone. */
  readonly sites: readonly SiteEvaluation[];
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
 * Of a coder that writes several sites, x is all their tensors side by side; `sites` has each alone. All
 * are replaced at once: with x̂, the features are read from the replaced stream, as in a splice
 * without error term.
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
 * @throws SHAPE, DEVICE, DISPOSED; what the corpus throws; `signal.reason`
 */
export async function evaluateCoder(
  model: HookedTransformer,
  coder: Coder,
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
  client.checkCoder("coder", coder);
  const { dSae, writes } = coder.cfg;
  const width = writes.reduce((all, site) => all + site.width, 0);
  const statistics = new CoderStatistics(dSae, width);
  const sites = writes.map((site) => new CoderStatistics(0, site.width));
  const losses = new ReplacedLosses(client);
  const batches = corpusBatches(caller, model, corpus, options);
  try {
    const first = await firstBatches(batches, lossTokens === 0 ? 0 : meanTokens);
    const means = await outputMeans(model, writes, first, signal);
    using runs = replacement(model, coder, means, options);
    const measure = async (batch: CorpusBatch) => {
      const replaces = statistics.tokens < lossTokens;
      const rows: RebuiltRows[] = [];
      const { acts, normed } = await runs.of(batch, replaces, async (x, rebuilt) => {
        rows.push(await rebuiltRows(x, rebuilt, signal));
      });
      try {
        for (const [site, own] of rows.entries()) sites[site]?.addRebuilt(own);
        statistics.addRebuilt(joined(rows));
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
  return summary(statistics, sites, writes, losses);
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

/** Disposes the means. */
function replacement(
  model: HookedTransformer,
  coder: Coder,
  means: readonly Tensor[],
  { excludeSpecialTokens = true, signal }: EvaluateOptions,
): Replacement {
  try {
    return coder instanceof SingleSiteCoder
      ? new Replaced(model, coder, means[0] as Tensor, signal)
      : new ReplacedSites(model, coder, means, excludeSpecialTokens, signal);
  } finally {
    for (const mean of means) mean.dispose();
  }
}

function qualityOf({ mse, fvu, cosine, l2Ratio }: CoderStatistics): RebuildingQuality {
  return { mse, fvu, explainedVariance: 1 - fvu, cosine, l2Ratio };
}

function summary(
  statistics: CoderStatistics,
  sites: readonly CoderStatistics[],
  writes: readonly Site[],
  { losses, divergences }: ReplacedLosses,
): CoderEvaluation {
  const { original, spliced, zero, mean } = losses;
  const { tokens, l0, density, fired } = statistics;
  const dead = fired.filter((count) => count === 0).length;
  const found = {
    tokens,
    l0,
    ...qualityOf(statistics),
    sites: writes.map(({ hookName }, site) => ({
      hookName,
      ...qualityOf(sites[site] as CoderStatistics),
    })),
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
