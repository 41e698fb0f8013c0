import { argument } from "../errors/check-options.js";
import type { CoderSplice, Splice } from "../intervene/types.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import type { Input, TokenInput } from "../model/model-input.js";
import { type Tensor, tidy } from "../tensor/index.js";

/** What attribution does to every run besides its own interventions. */
export interface PromptOptions {
  /** Coders that are in force during all runs. */
  readonly coders?: readonly CoderSplice[] | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Many rows of one prompt, from a block on. */
export interface PromptRows {
  readonly input: Input;
  readonly startAtLayer?: number;
  readonly coders: readonly CoderSplice[];
  readonly signal: AbortSignal | undefined;
}

/**
 * One prompt that is run many times with small changes. What comes before the first change is not
 * run again: rows begin with the residual stream that enters its block.
 */
export class Prompt implements Disposable {
  /** Without padding: positions are columns. */
  readonly ids: Int32Array;
  readonly #model: HookedTransformer;
  readonly #options: PromptOptions;
  readonly #entering = new Map<number, Tensor>();

  /** ARGUMENT for a batch. */
  constructor(
    what: string,
    model: HookedTransformer,
    input: TokenInput,
    options: PromptOptions & { readonly prependBos?: boolean | undefined },
  ) {
    const { ids, shape, mask } = model.toTokens(input, { prependBos: options.prependBos });
    if (shape[0] !== 1) throw argument(what, "one prompt", "input", `a batch of ${shape[0]}`);
    this.ids = ids.filter((_, i) => mask[i] === 1);
    this.#model = model;
    this.#options = options;
  }

  get length(): number {
    return this.ids.length;
  }

  /** What every run of the whole prompt takes. */
  get runOptions() {
    const { coders = [], signal } = this.#options;
    return { coders, signal };
  }

  /** A position counted from the front. ARGUMENT when the prompt has no such token. */
  position(what: string, position: number): number {
    const { length } = this;
    const index = position < 0 ? position + length : position;
    if (Number.isInteger(index) && index >= 0 && index < length) return index;
    throw argument(what, `one of [-${length}, ${length})`, "a position", position, { length });
  }

  /**
   * The block that rows must begin with for a change at `layer` (null: outside the blocks): earlier
   * where a coder in force reads before that and writes behind it. Undefined where all must run.
   */
  startFor(layer: number | null): number | undefined {
    if (layer === null) return undefined;
    const splices = this.#splices();
    // Which tokens are special shows in the tokens alone.
    if (splices.some(({ excludeSpecialTokens }) => excludeSpecialTokens)) return undefined;
    let start = layer;
    for (let before = -1; before !== start; ) {
      before = start;
      for (const { coder } of splices) {
        const [read, written] = [layerOf(coder.cfg.hookName), layerOf(coder.cfg.hookNameOut)];
        if (read < start && written >= start) start = read;
      }
    }
    return start <= 0 ? undefined : start;
  }

  /** Computes what enters these blocks, in one run; those that are known stay. */
  async prepare(starts: readonly (number | undefined)[]): Promise<void> {
    const layers = new Set(starts.filter((start) => start !== undefined));
    for (const layer of this.#entering.keys()) layers.delete(layer);
    if (layers.size === 0) return;
    const names = [...layers].map((layer) => `blocks.${layer}.hook_resid_pre`);
    const run = await this.#model.runWithCache(this.ids, {
      ...this.runOptions,
      names,
      logits: false,
    });
    using _ = run;
    for (const layer of layers) {
      this.#entering.set(layer, run.cache.get(`blocks.${layer}.hook_resid_pre`).clone().keep());
    }
  }

  /** `count` rows from block `start`, which `prepare` knows; undefined: from the tokens. */
  rows(start: number | undefined, count: number): PromptRows & Disposable {
    const { coders, signal } = this.runOptions;
    const entering = start === undefined ? undefined : this.#entering.get(start);
    if (start === undefined || entering === undefined) {
      const input = Array.from({ length: count }, () => this.ids) as unknown as number[][];
      return { input, coders, signal, [Symbol.dispose]: () => {} };
    }
    const input = tidy(() => entering.expand([count, -1, -1]).contiguous());
    const reached = coders.filter((use) => layerOf(spliceOf(use).coder.cfg.hookName) >= start);
    return {
      input: input as Tensor<["batch", "pos", "d_model"]>,
      startAtLayer: start,
      coders: reached,
      signal,
      [Symbol.dispose]: () => input.dispose(),
    };
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#entering.values()) tensor.dispose();
    this.#entering.clear();
  }

  #splices(): Splice[] {
    return (this.#options.coders ?? []).map(spliceOf);
  }
}

function spliceOf(use: CoderSplice): Splice {
  return "cfg" in use ? { coder: use } : use;
}

/** The block of a hook; −1 for the embedding, infinite behind the blocks. */
export function layerOf(hook: string): number {
  const layer = /^blocks\.(\d+)\./.exec(hook)?.[1];
  if (layer !== undefined) return Number(layer);
  return hook === "hook_embed" ? -1 : Number.POSITIVE_INFINITY;
}

/** The block of a hook as `ResolvedPoint` has it: null outside the blocks. */
export function blockOf(hook: string): number | null {
  const layer = layerOf(hook);
  return Number.isFinite(layer) && layer >= 0 ? layer : null;
}
