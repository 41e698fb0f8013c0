import { type InspectOptions, inspect } from "node:util";
import { argument, checkOptions } from "../errors/check-options.js";
import { DisposedError } from "../errors/disposed-error.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { FeaturesHandle, NativeFeatureEdit, NativeFeatures } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { ownIdentity } from "../native/identity.js";
import { disown, keepBeyond, own } from "../native/scope.js";
import { adopt, setOrigin } from "../tensor/internal.js";
import { type CellData, RowCells, sizeOf } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";
import type {
  ActiveFeature,
  EditOptions,
  LocatedFeature,
  ReadOptions,
  SparseFeatures,
} from "./active-features.js";
import { type FeatureActsJson, featuresToJson } from "./features-json.js";
import { HostCopy } from "./host-copy.js";
import { RowLayout } from "./row-layout.js";
import { checkExcluded, excludedCells } from "./special-tokens.js";
import { topFeatures } from "./top-features.js";

declare const axes: unique symbol;
interface Phantom<Axes> {
  of(axes: Axes): void;
}

/** Friend access, as in tensor.ts. */
interface Access {
  create(native: NativeFeatures, options: FeatureActsOptions): FeatureActs;
  acquire(acts: FeatureActs, caller: string): Promise<FeaturesHandle> | FeaturesHandle;
  release(acts: FeatureActs): void;
  rows(acts: FeatureActs): { sizes: readonly number[]; data: CellData };
}
let access!: Access;

interface FeatureActsOptions {
  /** The padding and ids of the tokens. Default: all tokens are real. */
  readonly rows?: CellData | undefined;
  /** Excluded tokens: they have no features, and edits of all tokens skip them. */
  readonly excluded?: Int32Array | undefined;
  /** The caller keeps the handle and frees it: `edit` needs the original activations. */
  readonly borrowed?: boolean;
}

/**
 * Sparse feature activations of a coder, on the coder's device. Only `toDense()` allocates
 * [tokens, dSae].
 *
 * `set`, `add` and `zero` change the activations in place. They are checked at once, and applied
 * natively and in order by the next call that uses the activations. `Axes` names the dimensions of
 * the encoded tensor, for the type checker only.
 */
export class FeatureActs<Axes extends readonly string[] = readonly string[]> implements Disposable {
  /** @hidden As with Tensor: activations of unknown axes fit everywhere. */
  declare [axes]?: Phantom<Axes>["of"];
  /** Number of features that the coder has. */
  readonly dSae: number;
  /** @internal */
  protected readonly identity = ownIdentity();
  readonly #shape: readonly number[];
  readonly #layout: RowLayout;
  readonly #rows: CellData;
  readonly #excluded: ReadonlySet<number>;
  readonly #device: string;
  readonly #borrowed: boolean;
  readonly #host = new HostCopy((caller) =>
    useFeatures(this, caller, (handle) =>
      task(caller, (addon, ctx) => addon.featuresRead(handle, ctx)),
    ),
  );
  #handle: FeaturesHandle;
  #nnz: number;
  #pending: NativeFeatureEdit[] = [];
  #applying: Promise<void> | undefined;
  #users = 0;
  #disposed = false;
  #edited = false;

  static {
    access = {
      create: (native, options) => new FeatureActs(native, options),
      acquire: (acts, caller) => acts.#acquire(caller),
      release: (acts) => acts.#release(),
      rows: (acts) => ({ sizes: acts.#shape, data: acts.#rows }),
    };
  }

  private constructor(native: NativeFeatures, options: FeatureActsOptions) {
    this.#handle = native.handle;
    this.#shape = native.shape;
    this.#device = native.device;
    this.#nnz = native.nnz;
    this.dSae = native.dSae;
    this.#borrowed = options.borrowed ?? false;
    const leading = native.shape;
    // [pos] is one row. With more than two leading axes there are no positions, only cells.
    const batch = leading.length === 2 ? (leading[0] ?? 1) : 1;
    const cells = sizeOf(leading);
    this.#rows = options.rows ?? {};
    this.#excluded = new Set(options.excluded);
    this.#layout = new RowLayout(batch, batch === 0 ? 0 : cells / batch, this.#rows.mask);
    own(this);
  }

  /** The shape of the equivalent dense tensor: `[batch, pos, dSae]` for activations of a run. */
  get shape(): number[] {
    return [...this.#shape, this.dSae];
  }

  /** The number of active features, without edits that no call has applied yet. */
  get nnz(): number {
    this.#check("nnz");
    return this.#nnz;
  }

  /** "cpu" or "cuda:0". */
  get device(): string {
    return this.#device;
  }

  /** Whether `dispose()` was called. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /**
   * Copies the compressed rows to the host. Padding has no features.
   *
   * @throws DISPOSED
   */
  async read(): Promise<SparseFeatures> {
    this.#check("read");
    return { shape: this.shape, ...(await this.#host.own("read")) };
  }

  /**
   * The active features of one token, largest activation first.
   *
   * @example
   * using run = await model.runWithCache(text, { names: [], features: [sae], logits: false });
   * const [strongest] = await run.features(sae).at({ position: -1 });
   * console.log(strongest?.feature); // 213
   *
   * @throws ARGUMENT if the token is out of range
   * @throws SHAPE if the activations are not [batch, pos]
   */
  async at(where: { batch?: number; position: number } & ReadOptions): Promise<ActiveFeature[]> {
    checkOptions("at", where, ["batch", "position", "excludeSpecialTokens"]);
    this.#needPositions("at");
    const row = this.#layout.row("at", where.batch ?? 0);
    const cell = row * this.#layout.pos + this.#layout.column("at", row, where.position);
    if (this.#excludedCells("at", where).has(cell)) return [];
    const { indptr, indices, values } = await this.#host.view("at");
    const found: ActiveFeature[] = [];
    for (let i = indptr[cell] ?? 0; i < (indptr[cell + 1] ?? 0); i++) {
      found.push({ feature: indices[i] ?? 0, value: values[i] ?? 0 });
    }
    return found.sort((a, b) => b.value - a.value || a.feature - b.feature);
  }

  /**
   * The `k` largest activations over all tokens, largest first.
   *
   * @example
   * using run = await model.runWithCache(text, { names: [], features: [sae], logits: false });
   * for (const { position, feature, value } of await run.features(sae).topK(5)) {
   *   console.log(position, feature, value.toFixed(1));
   * }
   *
   * @throws ARGUMENT if k is not a positive integer
   * @throws SHAPE if the activations are not [batch, pos]
   */
  async topK(k: number, options: ReadOptions = {}): Promise<LocatedFeature[]> {
    checkOptions("topK", options, ["excludeSpecialTokens"]);
    if (!Number.isInteger(k) || k < 1) throw argument("topK", "a positive integer", "k", k);
    this.#needPositions("topK");
    const excluded = this.#excludedCells("topK", options);
    return topFeatures(await this.#host.view("topK"), this.#layout, k, excluded);
  }

  /**
   * The dense activations [.., dSae] float32: batch · pos · dSae · 4 bytes.
   *
   * @throws OUT_OF_MEMORY, DISPOSED
   */
  async toDense(): Promise<Tensor<["batch", "pos", "d_sae"]>> {
    const handle = await useFeatures(this, "toDense", (features) =>
      task("toDense", (addon, ctx) => addon.featuresToDense(features, ctx)),
    );
    const dense = adopt(handle);
    if (this.#rows.mask !== undefined || this.#rows.ids !== undefined) {
      const rows = new RowCells(this.#shape, this.#rows);
      setOrigin(dense, { hook: undefined, model: "", rows });
    }
    return dense as Tensor<["batch", "pos", "d_sae"]>;
  }

  /**
   * Sets `feature` to `value`, also where it is inactive.
   *
   * @throws ARGUMENT if a feature or token is out of range, or a value is not finite
   */
  set(feature: number, value: number, options?: EditOptions): this {
    return this.#edit("set", feature, value, options);
  }

  /** Adds `value` to `feature`; an inactive feature becomes `value`. Throws as {@link set}. */
  add(feature: number, value: number, options?: EditOptions): this {
    return this.#edit("add", feature, value, options);
  }

  /** Turns `feature` off. Throws as {@link set}. */
  zero(feature: number, options?: EditOptions): this {
    return this.#edit("zero", feature, 0, options);
  }

  /**
   * The shape and at most 1,000 active features, for `JSON.stringify`. Waits for a GPU.
   *
   * @throws ARGUMENT if more are active: use `topK` or `at`, or write `read()` to a file
   * @throws BUSY if a call that you have not awaited is still applying edits
   * @throws SHAPE if the activations are not [batch, pos]
   */
  toJSON(): FeatureActsJson {
    this.#needPositions("toJSON");
    if (this.#applying !== undefined) {
      throw new GemlensError("BUSY", "toJSON: edits are being applied; await that call first");
    }
    const csr = call("toJSON", (addon) => addon.featuresReadSync(this.#handle, this.#pending));
    return featuresToJson({ shape: this.shape, ...csr }, this.#layout);
  }

  /** Frees the activations once pending calls have finished. Later use throws DisposedError. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#host.forget();
    disown(this);
    this.#freeWhenUnused();
  }

  /** Keeps the activations alive after the `tidy` or the hook that they were created in. */
  keep(): this {
    this.#check("keep");
    keepBeyond(this);
    return this;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  [inspect.custom](_depth: number, _options: InspectOptions): string {
    const shape = `[${this.shape.join(", ")}]`;
    if (this.#disposed) return `FeatureActs ${shape} (disposed)`;
    const cells = this.#layout.batch * this.#layout.pos;
    const mean = cells === 0 ? 0 : this.#nnz / cells;
    const waiting = this.#pending.length > 0 ? `, ${this.#pending.length} edits to apply` : "";
    return `FeatureActs ${shape} float32 ${this.#device}, ${this.#nnz} active (${mean.toFixed(1)} per token)${waiting}`;
  }

  #edit(op: NativeFeatureEdit["op"], feature: number, value: number, options?: EditOptions): this {
    this.#check(op);
    checkOptions(op, options, ["positions", "batch"]);
    checkFeature(op, feature, this.dSae);
    if (!Number.isFinite(Math.fround(value))) {
      throw argument(op, "a finite number (as float32)", "value", value);
    }
    this.#host.forget();
    const { positions, batch } = options ?? {};
    if (positions !== undefined || batch !== undefined) this.#needPositions(op);
    else if (this.#rows.mask === undefined && this.#excluded.size === 0) {
      this.#pending.push({ op, feature, value });
      return this;
    }
    // Padding has no features, also after an edit.
    const cells = this.#layout.cells(op, positions, batch);
    const isListed = positions !== undefined;
    const rows = cells.filter((cell) => isListed || !this.#excluded.has(cell));
    this.#pending.push({ op, feature, value, rows });
    return this;
  }

  /** The cells of the tokens that a query excludes. */
  #excludedCells(caller: string, { excludeSpecialTokens }: ReadOptions): ReadonlySet<number> {
    const excluded = checkExcluded(caller, excludeSpecialTokens);
    return new Set(excludedCells(caller, excluded, this.#rows));
  }

  #needPositions(caller: string): void {
    this.#check(caller);
    if (this.#shape.length <= 2) return;
    throw new GemlensError(
      "SHAPE",
      sentence(caller, "activations of [batch, pos]", null, `[${this.shape.join(", ")}]`),
      { got: this.shape },
    );
  }

  #check(caller: string): void {
    if (this.#disposed) throw new DisposedError(`${caller}: the activations were disposed`);
  }

  // Without edits this returns the handle synchronously, so the caller's native call retains it
  // before anything can dispose it.
  #acquire(caller: string): Promise<FeaturesHandle> | FeaturesHandle {
    this.#check(caller);
    this.#users++;
    if (this.#pending.length === 0 && this.#applying === undefined) return this.#handle;
    if (this.#pending.length > 0) this.#apply(caller);
    const applied = this.#applying ?? Promise.resolve();
    return applied.then(
      () => this.#handle,
      (error) => {
        this.#release();
        throw error;
      },
    );
  }

  #apply(caller: string): void {
    const edits = this.#pending;
    this.#pending = [];
    const before = this.#applying ?? Promise.resolve();
    this.#users++;
    const applying = before
      .then(() => {
        const from = this.#handle;
        return task(caller, (addon, ctx) => addon.featuresEdit(from, edits, ctx));
      })
      .then(({ handle, nnz }) => {
        const old = this.#handle;
        if (this.#edited || !this.#borrowed) call(caller, (addon) => addon.dispose(old));
        this.#handle = handle;
        this.#edited = true;
        this.#nnz = nnz;
      })
      .finally(() => {
        if (this.#applying === applying) this.#applying = undefined;
        this.#release();
      });
    this.#applying = applying;
  }

  #release(): void {
    this.#users--;
    this.#freeWhenUnused();
  }

  #freeWhenUnused(): void {
    if (!this.#disposed || this.#users > 0) return;
    if (this.#edited || !this.#borrowed) call("dispose", (addon) => addon.dispose(this.#handle));
  }
}

/** @internal Wraps native activations; the object owns them unless they are borrowed. */
export function adoptFeatures(
  native: NativeFeatures,
  options: FeatureActsOptions = {},
): FeatureActs {
  return access.create(native, options);
}

/** @internal The sizes of activations and the data of their tokens. */
export function rowsOf(acts: FeatureActs): { sizes: readonly number[]; data: CellData } {
  return access.rows(acts);
}

/**
 * @internal Applies edits, then calls `use` with the native features. `use` must make its native
 *   call before it returns.
 */
export function useFeatures<T>(
  acts: FeatureActs,
  caller: string,
  use: (handle: FeaturesHandle) => Promise<T>,
): Promise<T> {
  const run = (handle: FeaturesHandle): Promise<T> => {
    try {
      return use(handle);
    } finally {
      access.release(acts);
    }
  };
  const handle = access.acquire(acts, caller);
  return handle instanceof Promise ? handle.then(run) : run(handle);
}

/** Checks a feature id on the host: on CUDA, an id out of range would end the process. */
export function checkFeature(caller: string, feature: number, dSae: number): void {
  if (Number.isInteger(feature) && feature >= 0 && feature < dSae) return;
  throw argument(caller, `an integer in [0, ${dSae})`, "feature", feature, { dSae });
}
