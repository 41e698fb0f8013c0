import type { Coder } from "../coder/coder.js";
import type { ExcludedTokens } from "../coder/special-tokens.js";
import type { CorpusBatch } from "../corpus/corpus.js";
import { patch } from "../intervene/patch.js";
import type { RunEditOptions } from "../intervene/types.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { tidy } from "../native/scope.js";
import { zeros } from "../tensor/factories.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  countedPositions,
  last,
  type OnRebuilt,
  type ReplacedBatch,
  type Replacement,
} from "./replaced-runs.js";

/**
 * Runs a batch unchanged, then three times with the outputs of a coder of several sites replaced at
 * the counted tokens, all at once. The spliced run reads its features from the replaced stream, as a
 * splice without error term does.
 */
export class ReplacedSites implements Replacement {
  readonly #model: HookedTransformer;
  readonly #coder: Coder;
  readonly #means: readonly Tensor[];
  readonly #excluded: ExcludedTokens;
  readonly #signal: AbortSignal | undefined;

  /** `means` has one [width] for each write site. */
  constructor(
    model: HookedTransformer,
    coder: Coder,
    means: readonly Tensor[],
    excluded: ExcludedTokens,
    signal: AbortSignal | undefined,
  ) {
    this.#model = model;
    this.#coder = coder;
    this.#means = means.map((mean) => mean.to(model.cfg.dtype));
    this.#excluded = excluded;
    this.#signal = signal;
  }

  async of(batch: CorpusBatch, replaces: boolean, onRebuilt: OnRebuilt): Promise<ReplacedBatch> {
    const { reads, writes, skip } = this.#coder.cfg;
    const inputs = skip ? reads.map(({ hookName }) => hookName) : [];
    const outputs = writes.map(({ hookName }) => hookName);
    using run = await this.#model.runWithCache(batch.tokens, {
      names: [...new Set([...outputs, ...inputs, ...(replaces ? [last] : [])])],
      features: [this.#coder],
      logits: false,
      signal: this.#signal,
    });
    const normed: Tensor[] = [];
    try {
      if (replaces) normed.push((run.cache.get(last) as Tensor).clone().keep());
      const xs = outputs.map((hook): Tensor => run.cache.get(hook));
      const features = run.features(this.#coder);
      // Without a skip connection the coder needs no inputs.
      const given = (skip ? run : undefined) as typeof run;
      const rebuilt = await this.#coder.decode(features, given, { signal: this.#signal });
      await passRebuilt(batch, xs, rebuilt, onRebuilt);
      const acts = await features.read();
      if (!replaces) return { acts, normed };
      normed.push(await this.#spliced(batch));
      normed.push(await this.#patched(batch, xs, () => undefined));
      normed.push(await this.#patched(batch, xs, (site) => this.#means[site]));
      return { acts, normed };
    } catch (error) {
      for (const tensor of normed) tensor.dispose();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const mean of this.#means) mean.dispose();
  }

  #spliced(batch: CorpusBatch): Promise<Tensor> {
    const splice = {
      coder: this.#coder,
      errorTerm: false,
      excludeSpecialTokens: this.#excluded,
    };
    return this.#runWith(batch, { coders: [splice] });
  }

  /** Every output replaced at the counted tokens: by what `replacedBy` returns, else by zeros. */
  async #patched(
    batch: CorpusBatch,
    xs: readonly Tensor[],
    replacedBy: (site: number) => Tensor | undefined,
  ): Promise<Tensor> {
    const patches = this.#coder.cfg.writes.flatMap(({ hookName, width }, site) => {
      const { shape, dtype, device } = xs[site] as Tensor;
      const value = replacedBy(site);
      using nothing = zeros(shape, { dtype, device });
      using everywhere =
        value && tidy(() => nothing.reshape([-1, width]).add(value).reshape(shape));
      return countedPositions(batch).map(({ row, positions }) =>
        patch(hookName as string, everywhere ?? nothing, { batch: row, positions }),
      );
    });
    try {
      return await this.#runWith(batch, { interventions: patches });
    } finally {
      for (const { source } of patches) source.dispose();
    }
  }

  /** `unembed.hook_in` of a run with these edits. */
  async #runWith({ tokens }: CorpusBatch, edits: RunEditOptions): Promise<Tensor> {
    using run = await this.#model.runWithCache(tokens, {
      ...edits,
      names: [last],
      logits: false,
      signal: this.#signal,
    });
    return (run.cache.get(last) as Tensor).clone().keep();
  }
}

/** Passes the counted tokens of each site on, and disposes what was rebuilt. */
async function passRebuilt(
  { counted }: CorpusBatch,
  xs: readonly Tensor[],
  rebuilt: readonly Tensor[],
  onRebuilt: OnRebuilt,
): Promise<void> {
  try {
    for (const [site, made] of rebuilt.entries()) {
      const width = made.shape.at(-1) ?? 0;
      const rows = (t: Tensor) => tidy(() => t.reshape([-1, width]).index(0, [...counted]));
      using ownRows = rows(xs[site] as Tensor);
      using madeRows = rows(made);
      await onRebuilt(ownRows, madeRows);
    }
  } finally {
    for (const made of rebuilt) made.dispose();
  }
}
