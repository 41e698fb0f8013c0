import type { Coder } from "../coder/coder.js";
import type { Site } from "../coder/site.js";
import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import type { ResolvedAction } from "../intervene/resolve.js";
import type { AnyIntervention, CoderSplice, Splice } from "../intervene/types.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import type { ModelClient } from "../model/model-client.js";
import type { Input, TokenInput } from "../model/model-input.js";
import { tidy } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/** Options that apply to all runs of a method. */
export interface PromptOptions {
  /** Coders to splice in during all runs. */
  readonly coders?: readonly CoderSplice[] | undefined;
  /**
   * Interventions of all runs, which act at each hook before the method's own. There is one prompt,
   * so `batch` can only be 0.
   */
  readonly interventions?: readonly AnyIntervention[] | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Copies of one prompt as rows of a batch, which start at a block. */
export interface PromptRows {
  readonly input: Input;
  readonly startAtLayer?: number;
  readonly coders: readonly CoderSplice[];
  readonly interventions: readonly AnyIntervention[];
  readonly signal: AbortSignal | undefined;
}

/** One intervention for every row of a run, with its first read and last written block. */
interface PromptIntervention {
  readonly entry: AnyIntervention;
  /** The coder whose feature it changes; undefined if it changes none. */
  readonly coder: Coder | undefined;
  readonly read: number;
  readonly written: number;
}

/**
 * One prompt that is run many times with small changes. Blocks before the first change are not run
 * again: rows begin with the residual stream that enters the block of that change.
 */
export class Prompt implements Disposable {
  /** Without padding: positions are columns. */
  readonly ids: Int32Array;
  readonly #model: HookedTransformer;
  readonly #options: PromptOptions;
  readonly #interventions: readonly PromptIntervention[];
  /** Whether a change excludes special tokens, which requires runs that start from the tokens. */
  readonly #needsTokens: boolean;
  readonly #entering = new Map<number, Tensor>();

  /**
   * @throws ARGUMENT if the input is a batch, or an intervention does not fit the model or the
   * prompt
   */
  constructor(
    client: ModelClient,
    input: TokenInput,
    options: PromptOptions & { readonly prependBos?: boolean | undefined },
  ) {
    const { caller, model } = client;
    const { ids, shape, mask } = model.toTokens(input, { prependBos: options.prependBos });
    if (shape[0] !== 1) throw argument(caller, "one prompt", "input", `a batch of ${shape[0]}`);
    this.ids = ids.filter((_, i) => mask[i] === 1);
    this.#model = model;
    this.#options = options;
    const { coders, interventions } = options;
    using plan = client.plan(this.ids, { coders, interventions });
    const actions = plan.changes?.actions ?? [];
    this.#interventions = (interventions ?? []).map((entry, i) => {
      const own = actions.filter(({ index }) => index === i);
      return forEveryRow(own, entry);
    });
    this.#needsTokens =
      actions.some(({ excluded }) => excluded !== undefined) ||
      this.#splices().some(({ excludeSpecialTokens }) => Boolean(excludeSpecialTokens));
  }

  get length(): number {
    return this.ids.length;
  }

  /** The options of every run of the whole prompt. */
  get runOptions() {
    const { coders = [], signal } = this.#options;
    return { coders, interventions: this.#interventions.map(({ entry }) => entry), signal };
  }

  /** Whether a coder is among `coders`. */
  splices(coder: Coder): boolean {
    return this.#splices().some((splice) => splice.coder === coder);
  }

  /** Whether `interventions` change features of a coder. */
  edits(coder: Coder): boolean {
    return this.#interventions.some((intervention) => intervention.coder === coder);
  }

  /** Resolves a position to one counted from the start. ARGUMENT if it is out of range. */
  position(caller: string, position: number): number {
    const { length } = this;
    const index = position < 0 ? position + length : position;
    if (Number.isInteger(index) && index >= 0 && index < length) return index;
    throw argument(caller, `one of [-${length}, ${length})`, "a position", position, { length });
  }

  /**
   * The block at which rows must start for a change at `layer` (null: outside the blocks). It is an
   * earlier block if a coder or an intervention of all runs reads before `layer` and writes in it
   * or after it. Undefined if all blocks must run.
   */
  startFor(layer: number | null): number | undefined {
    if (layer === null || this.#needsTokens) return undefined;
    const spans = [
      ...this.#interventions,
      ...this.#splices().map(({ coder: { cfg } }) => ({
        read: Math.min(...cfg.reads.map(({ hookName }) => layerOf(hookName))),
        written: Math.max(...cfg.writes.map(({ hookName }) => layerOf(hookName))),
      })),
    ];
    let start = layer;
    for (let before = -1; before !== start; ) {
      before = start;
      for (const { read, written } of spans) if (read < start && written >= start) start = read;
    }
    return start <= 0 ? undefined : start;
  }

  /** Computes the residual streams that enter these blocks, in one run, unless they are known. */
  async prepare(starts: readonly (number | undefined)[]): Promise<void> {
    const layers = new Set(starts.filter((start) => start !== undefined));
    for (const layer of this.#entering.keys()) layers.delete(layer);
    if (layers.size === 0) return;
    // Rows start from the output of the block before, as their runs apply the changes of
    // hook_resid_pre.
    const leaving = (layer: number) => `blocks.${layer - 1}.hook_resid_post`;
    const run = await this.#model.runWithCache(this.ids, {
      ...this.runOptions,
      names: [...layers].map(leaving),
      logits: false,
    });
    using _ = run;
    for (const layer of layers) {
      this.#entering.set(layer, run.cache.get(leaving(layer)).clone().keep());
    }
  }

  /**
   * `count` rows that start at block `start`, which `prepare` computed, or at the tokens if
   * undefined.
   */
  rows(start: number | undefined, count: number): PromptRows & Disposable {
    const { coders, interventions, signal } = this.runOptions;
    const entering = start === undefined ? undefined : this.#entering.get(start);
    if (start === undefined || entering === undefined) {
      const input = Array.from({ length: count }, () => this.ids) as unknown as number[][];
      return { input, coders, interventions, signal, [Symbol.dispose]: () => {} };
    }
    const input = tidy(() => entering.expand([count, -1, -1]).contiguous());
    const reached = coders.filter((use) =>
      spliceOf(use).coder.cfg.reads.every(({ hookName }) => layerOf(hookName) >= start),
    );
    return {
      input: input as Tensor<["batch", "pos", "d_model"]>,
      startAtLayer: start,
      coders: reached,
      interventions: this.#interventions
        .filter(({ read }) => read >= start)
        .map(({ entry }) => entry),
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

function forEveryRow(
  actions: readonly ResolvedAction[],
  entry: AnyIntervention,
): PromptIntervention {
  const { batch, ...everyRow } = entry;
  const layers = (points: readonly ResolvedPoint[]) => points.map(({ name }) => layerOf(name));
  // `batch: 0` is the prompt, and every row of these runs is the prompt. An empty list names no
  // row.
  const isNone = Array.isArray(batch) && batch.length === 0;
  const changesFeature = entry.type !== "steer" && "target" in entry;
  return {
    entry: (actions[0]?.where.batch === undefined || isNone ? entry : everyRow) as AnyIntervention,
    coder: changesFeature ? entry.target.coder : undefined,
    read: Math.min(...actions.flatMap(({ reads }) => layers(reads))),
    written: Math.max(...actions.flatMap(({ writes }) => layers(writes))),
  };
}

/** The block of a hook; −1 for the embedding, infinite after the blocks. */
export function layerOf(hook: string): number {
  const { layer } = parseHookName(hook);
  if (layer !== null) return layer;
  return hook === "hook_embed" ? -1 : Number.POSITIVE_INFINITY;
}

/** The first block of a coder's sites; null if one is outside the blocks. */
export function firstBlock(sites: readonly Site[]): number | null {
  const blocks = sites.map(({ hookName }) => parseHookName(hookName).layer);
  return blocks.some((block) => block === null) ? null : Math.min(...(blocks as number[]));
}
