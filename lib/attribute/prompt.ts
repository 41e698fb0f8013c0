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

/** Edits that are in force during all runs of a method, beside its own. */
export interface PromptOptions {
  /** Coders that are in force during all runs. */
  readonly coders?: readonly CoderSplice[] | undefined;
  /**
   * Interventions that are in force during all runs: at each hook before the method's own. There
   * is one prompt, so `batch` can only be 0.
   */
  readonly interventions?: readonly AnyIntervention[] | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Many rows of one prompt, from a block on. */
export interface PromptRows {
  readonly input: Input;
  readonly startAtLayer?: number;
  readonly coders: readonly CoderSplice[];
  readonly interventions: readonly AnyIntervention[];
  readonly signal: AbortSignal | undefined;
}

/** One intervention, for every row of a run, with the blocks that it reads and writes. */
interface Edit {
  readonly entry: AnyIntervention;
  /** The coder whose feature it changes. */
  readonly coder: Coder | undefined;
  readonly read: number;
  readonly written: number;
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
  readonly #edits: readonly Edit[];
  /** Whether an edit asks which tokens are special, which shows in the tokens alone. */
  readonly #needsTokens: boolean;
  readonly #entering = new Map<number, Tensor>();

  /** ARGUMENT for a batch, and for interventions that do not fit the model or the prompt. */
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
    this.#edits = (interventions ?? []).map((entry, i) => {
      const own = actions.filter(({ index }) => index === i);
      return editOf(own, entry);
    });
    this.#needsTokens =
      actions.some(({ excluded }) => excluded !== undefined) ||
      this.#splices().some(({ excludeSpecialTokens }) => Boolean(excludeSpecialTokens));
  }

  get length(): number {
    return this.ids.length;
  }

  /** What every run of the whole prompt takes. */
  get runOptions() {
    const { coders = [], signal } = this.#options;
    return { coders, interventions: this.#edits.map(({ entry }) => entry), signal };
  }

  /** Whether a coder is among `coders`. */
  splices(coder: Coder): boolean {
    return this.#splices().some((splice) => splice.coder === coder);
  }

  /** Whether `interventions` change features of a coder. */
  edits(coder: Coder): boolean {
    return this.#edits.some((edit) => edit.coder === coder);
  }

  /** A position counted from the front. ARGUMENT when the prompt has no such token. */
  position(caller: string, position: number): number {
    const { length } = this;
    const index = position < 0 ? position + length : position;
    if (Number.isInteger(index) && index >= 0 && index < length) return index;
    throw argument(caller, `one of [-${length}, ${length})`, "a position", position, { length });
  }

  /**
   * The block that rows must begin with for a change at `layer` (null: outside the blocks): earlier
   * if a coder or an edit in force reads before that block and writes in it or after it. Undefined
   * if all blocks must run.
   */
  startFor(layer: number | null): number | undefined {
    if (layer === null || this.#needsTokens) return undefined;
    const spans = [
      ...this.#edits,
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

  /** Computes what enters these blocks, in one run; those that are known stay. */
  async prepare(starts: readonly (number | undefined)[]): Promise<void> {
    const layers = new Set(starts.filter((start) => start !== undefined));
    for (const layer of this.#entering.keys()) layers.delete(layer);
    if (layers.size === 0) return;
    // What leaves the block before: edits of hook_resid_pre are made by the runs that begin there.
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

  /** `count` rows from block `start`, which `prepare` knows; undefined: from the tokens. */
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
      interventions: this.#edits.filter(({ read }) => read >= start).map(({ entry }) => entry),
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

function editOf(actions: readonly ResolvedAction[], entry: AnyIntervention): Edit {
  const { batch, ...everyRow } = entry;
  const layers = (points: readonly ResolvedPoint[]) => points.map(({ name }) => layerOf(name));
  // Row 0 is the prompt, and so is every row of the runs here. An empty list names no row at all.
  const isNone = Array.isArray(batch) && batch.length === 0;
  const changesFeature = entry.type !== "steer" && "target" in entry;
  return {
    entry: (actions[0]?.where.batch === undefined || isNone ? entry : everyRow) as AnyIntervention,
    coder: changesFeature ? entry.target.coder : undefined,
    read: Math.min(...actions.flatMap(({ reads }) => layers(reads))),
    written: Math.max(...actions.flatMap(({ writes }) => layers(writes))),
  };
}

/** The block of a hook; −1 for the embedding, infinite behind the blocks. */
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
