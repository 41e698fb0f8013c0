import type { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import type { RowLayout } from "../coder/row-layout.js";
import { ActivationCache } from "../hooks/activation-cache.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { NativeFeatures, NativeRunResult } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { disown } from "../native/scope.js";
import { adopt } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ModelCore } from "./model-core.js";
import type { ObservedCoder } from "./observed-coders.js";
import { adoptObserved, cellsOfRun, needed, setPointOrigin } from "./run-outcome.js";
import type { RunPlan } from "./run-plan.js";
import { type DrawnToken, RecordedToken, type TextOrError } from "./token-record.js";

/** Half-open ranges of a tensor's axes. */
type Cut = readonly (readonly [axis: number, begin: number, end: number])[];

/**
 * Builds each row's {@link RecordedToken} from the results of one generation step. `token`
 * transfers a row's part; `dispose()` frees the remaining parts.
 */
export class RecordBuilder implements Disposable {
  readonly #core: ModelCore;
  readonly #run: RunPlan;
  readonly #prompt: RowLayout;
  readonly #step: number;
  // A single row without padding takes the whole tensors without a copy.
  readonly #whole: boolean;
  #tensors: Tensor[];
  #features: NativeFeatures[];
  #logits: Tensor | undefined;

  constructor(
    core: ModelCore,
    run: RunPlan,
    result: NativeRunResult,
    prompt: RowLayout,
    step: number,
  ) {
    this.#core = core;
    this.#run = run;
    this.#prompt = prompt;
    this.#step = step;
    this.#whole = prompt.batch === 1 && prompt.length(0) === prompt.pos;
    this.#tensors = result.cache.map((handle) => unowned(adopt(handle)));
    this.#features = [...result.features];
    if (run.output === "logits") this.#logits = unowned(adopt(needed(run.caller, result.output)));
  }

  /** One row's token, which now owns the row's part. */
  async token(drawn: DrawnToken, text: TextOrError): Promise<RecordedToken> {
    const { points, observed } = this.#run;
    const parts: Disposable[] = [];
    try {
      const entries = points.map((point, i) => {
        const part = this.#rowOf(this.#tensors[i] as Tensor, drawn.batch, point);
        parts.push(part);
        setPointOrigin(part, point, this.#core, this.#rowsOf(drawn.batch));
        return [point.name, part] as const;
      });
      const features = new Map<Coder, FeatureActs>();
      for (const [i, one] of observed.entries()) {
        const acts = await this.#featuresOf(i, one, drawn.batch);
        parts.push(acts);
        features.set(one.coder, acts);
      }
      const logits = this.#logitsOf(drawn.batch);
      if (logits !== undefined) parts.push(logits);
      if (this.#whole) this.#transfer(entries.map(([, part]) => part));
      const cache = new ActivationCache(this.#core.table, entries);
      return new RecordedToken(drawn, text, cache, features, logits);
    } catch (error) {
      for (const part of parts) part[Symbol.dispose]();
      throw error;
    }
  }

  /** Frees the parts that no token owns. */
  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose();
    for (const { handle } of this.#features)
      call(this.#run.caller, (addon) => addon.dispose(handle));
    this.#logits?.dispose();
    this.#forget();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Transfers the whole tensors to the only row, and frees those of which it copied a part. */
  #transfer(parts: readonly Tensor[]): void {
    for (const tensor of this.#tensors) if (!parts.includes(tensor)) tensor.dispose();
    this.#forget();
  }

  #forget(): void {
    this.#tensors = [];
    this.#features = [];
    this.#logits = undefined;
  }

  /** The row's real positions: [1, n, ..], or [1, head, n, key] for attention patterns. */
  #rowOf(tensor: Tensor, row: number, point: ResolvedPoint): Tensor {
    const isPattern = point.axes.includes("key_pos");
    const [first, count] = this.#columns(row);
    const keys = tensor.shape[3] ?? 0;
    const firstKey = isPattern ? this.#firstKey(row, point, keys) : 0;
    if (this.#whole && firstKey === 0) return tensor;
    const cut: Cut = [
      [0, row, row + 1],
      [isPattern ? 2 : 1, first, first + count],
    ];
    return copyOf(tensor, isPattern ? [...cut, [3, firstKey, keys]] : cut);
  }

  /** The first key column that belongs to the row and is in the layer's window. */
  #firstKey(row: number, { layer }: ResolvedPoint, keys: number): number {
    // Padding is on the left. A layer with a window drops keys when its buffer grows, not at each
    // step.
    const dropped = this.#prompt.pos + this.#step - keys;
    const own = Math.max(this.#padding(row) - dropped, 0);
    const window = this.#core.cfg.layers[layer ?? -1]?.window ?? keys;
    return this.#step === 0 ? own : Math.max(own, keys - window);
  }

  async #featuresOf(i: number, coder: ObservedCoder, row: number): Promise<FeatureActs> {
    const features = this.#features[i] as NativeFeatures;
    const own = this.#rowsOf(row);
    const rows = cellsOfRun(this.#core, own);
    const begin = this.#firstCell(row);
    const part = this.#whole
      ? features
      : await task(this.#run.caller, (addon, ctx) =>
          addon.featuresSlice(features.handle, begin, begin + own.pos, [1, own.pos], ctx),
        );
    return adoptObserved(this.#run.caller, part, coder, rows);
  }

  /** The row's real tokens, in the form of a run's rows. */
  #rowsOf(row: number) {
    const [, pos] = this.#columns(row);
    const begin = this.#firstCell(row);
    const ids = this.#run.start.ids?.slice(begin, begin + pos);
    return { batch: 1, pos, ids, padding: undefined };
  }

  #firstCell(row: number): number {
    return row * (this.#step === 0 ? this.#prompt.pos : 1) + this.#columns(row)[0];
  }

  #logitsOf(row: number): Tensor<["d_vocab"]> | undefined {
    if (this.#logits === undefined) return undefined;
    const rows = this.#whole ? this.#logits : copyOf(this.#logits, [[0, row, row + 1]]);
    try {
      return rows.reshape([-1]) as unknown as Tensor<["d_vocab"]>;
    } finally {
      rows.dispose();
    }
  }

  #padding(row: number): number {
    return this.#prompt.pos - this.#prompt.length(row);
  }

  #columns(row: number): readonly [first: number, count: number] {
    return this.#step === 0 ? [this.#padding(row), this.#prompt.length(row)] : [0, 1];
  }
}

/** Copies a part of a tensor. */
function copyOf(tensor: Tensor, cut: Cut): Tensor {
  let part = tensor;
  for (const [axis, begin, end] of cut) {
    const next = part.slice(axis, begin, end);
    if (part !== tensor) part.dispose();
    part = next;
  }
  try {
    return part.clone();
  } finally {
    part.dispose();
  }
}

function unowned(tensor: Tensor): Tensor {
  disown(tensor);
  return tensor;
}
