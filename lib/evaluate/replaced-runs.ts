import type { SparseFeatures } from "../coder/active-features.js";
import type { SingleSiteCoder } from "../coder/single-site-coder.js";
import type { CorpusBatch } from "../corpus/corpus.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import { patch } from "../intervene/patch.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { tidy } from "../native/scope.js";
import { zeros } from "../tensor/factories.js";
import type { Tensor } from "../tensor/tensor.js";

/** The input of the unembedding, which is smaller than logits and sufficient for losses. */
export const last = "unembed.hook_in";

/** Gets the counted tokens' x and x̂ of one output, [tokens, width]. */
export type OnRebuilt = (x: Tensor, rebuilt: Tensor) => Promise<void>;

/** Runs batches with a coder's outputs replaced. */
export interface Replacement extends Disposable {
  /**
   * `onRebuilt` is called for each output, in order. Without `replaces` nothing that the coder does not need
   * is run.
   */
  of(batch: CorpusBatch, replaces: boolean, onRebuilt: OnRebuilt): Promise<ReplacedBatch>;
}

/** The results of one batch, unchanged and with a coder's output replaced. */
export interface ReplacedBatch {
  /** The coder's features. */
  readonly acts: SparseFeatures;
  /**
   * `unembed.hook_in` of the model, then with the reconstruction, zeros and the mean; empty if
   * nothing was replaced. The caller disposes them.
   */
  readonly normed: readonly Tensor[];
}

/**
 * Runs a batch unchanged, then three times from the coder's block on with its output tensor
 * replaced at the counted tokens.
 */
export class Replaced implements Replacement {
  readonly #model: HookedTransformer;
  readonly #coder: SingleSiteCoder;
  readonly #mean: Tensor;
  readonly #signal: AbortSignal | undefined;

  /** `mean` is [dOut]. */
  constructor(
    model: HookedTransformer,
    coder: SingleSiteCoder,
    mean: Tensor,
    signal: AbortSignal | undefined,
  ) {
    this.#model = model;
    this.#coder = coder;
    this.#mean = mean.to(model.cfg.dtype);
    this.#signal = signal;
  }

  /**
   * `onRebuilt` gets the counted tokens' x and x̂, [tokens, dOut]. Without `replaces` nothing after
   * the coder is run.
   */
  async of(batch: CorpusBatch, replaces: boolean, onRebuilt: OnRebuilt): Promise<ReplacedBatch> {
    const { hookName, hookNameOut, dOut, skip } = this.#coder.cfg;
    const { tokens, counted } = batch;
    const block = parseHookName(hookNameOut).layer ?? 0;
    const entering = block === 0 ? undefined : `blocks.${block}.hook_resid_pre`;
    const forReplacing = replaces ? [...(entering ? [entering] : []), last] : [];
    using run = await this.#model.runWithCache(tokens, {
      names: [hookNameOut, ...(skip ? [hookName] : []), ...forReplacing],
      features: [this.#coder],
      logits: false,
      signal: this.#signal,
    });
    const normed: Tensor[] = replaces ? [run.cache.get(last).clone().keep()] : [];
    try {
      const x: Tensor = run.cache.get(hookNameOut);
      const features = run.features(this.#coder);
      const input = skip ? run.cache.get(hookName) : undefined;
      using rebuilt = await this.#coder.decode(features, input, { signal: this.#signal });
      const rows = (t: Tensor) => tidy(() => t.reshape([-1, dOut]).index(0, [...counted]));
      using original = rows(x);
      using reconstructed = rows(rebuilt);
      await onRebuilt(original, reconstructed);
      const acts = await features.read();
      if (!replaces) return { acts, normed };
      using zeroed = zeros(x.shape, { dtype: x.dtype, device: x.device });
      using meanFilled = tidy(() => zeroed.reshape([-1, dOut]).add(this.#mean).reshape(x.shape));
      using shaped = tidy(() => rebuilt.to(x.dtype).reshape(x.shape));
      const from = entering === undefined ? undefined : (run.cache.get(entering) as Tensor);
      for (const value of [shaped, zeroed, meanFilled]) {
        normed.push(await this.#replace(batch, value, from, block));
      }
      return { acts, normed };
    } catch (error) {
      for (const tensor of normed) tensor.dispose();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#mean.dispose();
  }

  /** `unembed.hook_in` with the coder's output replaced at the counted tokens. */
  async #replace(
    batch: CorpusBatch,
    value: Tensor,
    from: Tensor | undefined,
    block: number,
  ): Promise<Tensor> {
    const { tokens } = batch;
    const patches = countedPositions(batch).map(({ row, positions }) =>
      patch(this.#coder.cfg.hookNameOut, value, { batch: row, positions }),
    );
    try {
      const input = from === undefined ? tokens : (from as Tensor<["batch", "pos", "d_model"]>);
      using run = await this.#model.runWithCache(input, {
        ...(from !== undefined && { startAtLayer: block, mask: tokens.mask }),
        names: [last],
        interventions: patches,
        logits: false,
        signal: this.#signal,
      });
      return run.cache.get(last).clone().keep();
    } finally {
      for (const { source } of patches) source.dispose();
    }
  }
}

/** The positions of the counted tokens, by rows that have some. */
export function countedPositions({ tokens, counted }: CorpusBatch) {
  const [rows, pos] = tokens.shape;
  return Array.from({ length: rows }, (_, row) => {
    const cells = counted.filter((cell) => Math.floor(cell / pos) === row);
    return { row, positions: [...cells.map((cell) => cell - row * pos)] };
  }).filter(({ positions }) => positions.length > 0);
}
