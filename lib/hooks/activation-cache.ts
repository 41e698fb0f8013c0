import { inspect } from "node:util";
import { DisposedError } from "../errors/disposed-error.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { ownIdentity } from "../native/identity.js";
import { disown, keepBeyond, own } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TensorJson } from "../tensor/tensor-json.js";
import type { HookTable } from "./hook-table.js";
import type { AxesOf, CheckedKey, HookKey, LooseCacheKey, NameOfKey } from "./names.js";

/** The number of entries that `console.log` shows. */
const SHOWN = 8;

/**
 * The activations of one run by hook name. The cache owns its tensors: `dispose()` frees them all. Clone
 * a tensor that must outlive it.
 *
 * @example
 * using run = await model.runWithCache(text, { names: ["blocks.2.hook_resid_post"] });
 * console.log(run.cache.get(["resid_post", 2]).shape); // [1, 8, 128]
 * for (const [name, act] of run.cache) console.log(name, act.dtype); // blocks.2.hook_resid_post float32
 */
export class ActivationCache<Names extends string = string> {
  /** @internal */
  protected readonly identity = ownIdentity();
  readonly #table: HookTable;
  readonly #entries: ReadonlyMap<string, Tensor>;
  #disposed = false;

  /** @hidden Takes ownership of the tensors; names are canonical. */
  constructor(table: HookTable, entries: Iterable<readonly [name: string, tensor: Tensor]>) {
    this.#table = table;
    this.#entries = new Map(entries);
    for (const tensor of this.#entries.values()) disown(tensor);
    own(this);
  }

  /**
   * The activation under a name, an alias of it, or a short key such as ["resid_post", −1].
   *
   * @throws NOT_FOUND if it was not cached or is not a hook point
   * @throws DISPOSED if `dispose()` was called
   */
  get<const Key extends LooseCacheKey<Names>>(
    key: CheckedKey<Key, Names>,
  ): Tensor<AxesOf<NameOfKey<Key>>> {
    const { name } = this.#table.resolve(key as HookKey, "cache");
    if (this.#disposed) throw new DisposedError(`cache: the cache was disposed`, { name });
    const tensor = this.#entries.get(name);
    if (tensor !== undefined) return tensor as Tensor<AxesOf<NameOfKey<Key>>>;
    throw new GemlensError(
      "NOT_FOUND",
      `cache: "${name}" was not asked for in \`names\`; cached: ${this.#listed()}`,
      { name, names: this.names },
    );
  }

  /** Whether `key` was cached; false also for an unknown hook point. */
  has(key: HookKey): boolean {
    try {
      return this.#entries.has(this.#table.resolve(key, "cache").name);
    } catch (error) {
      if (GemlensError.is(error, "NOT_FOUND")) return false;
      throw error;
    }
  }

  /** The canonical names of the cached activations, in the order of the request. */
  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The number of activations. */
  get size(): number {
    return this.#entries.size;
  }

  /** The canonical names, as `names`. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** Names and activations, in the order of the request. */
  [Symbol.iterator](): IterableIterator<[name: string, tensor: Tensor]> {
    return this.#entries.entries();
  }

  /** Frees every tensor of the cache. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    disown(this);
    for (const tensor of this.#entries.values()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Keeps the cache beyond the `tidy` or hook that would dispose it. */
  keep(): this {
    if (this.#disposed) throw new DisposedError("keep: the cache was disposed");
    keepBeyond(this);
    return this;
  }

  /** Whether `dispose()` was called. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** Shape and dtype by name, without values, for `JSON.stringify`. */
  toJSON(): Record<string, Pick<TensorJson, "shape" | "dtype">> {
    if (this.#disposed) throw new DisposedError("toJSON: the cache was disposed");
    const described = [...this.#entries].map(
      ([name, { shape, dtype }]) => [name, { shape, dtype }] as const,
    );
    return Object.fromEntries(described);
  }

  /** Names and shapes; never throws. */
  toString(): string {
    if (this.#disposed) return `ActivationCache of ${this.size} (disposed)`;
    const lines = [...this.#entries].slice(0, SHOWN).map(([name, tensor]) => {
      const shown = tensor.isDisposed
        ? "(disposed)"
        : `[${tensor.shape.join(", ")}] ${tensor.dtype} ${tensor.device}`;
      return `  ${name} ${shown}`;
    });
    if (this.size > SHOWN) lines.push(`  … ${this.size - SHOWN} more`);
    return [`ActivationCache of ${this.size}`, ...lines].join("\n");
  }

  [inspect.custom](): string {
    return this.toString();
  }

  #listed(): string {
    const names = [...this.#entries.keys()];
    const shown = names.slice(0, SHOWN).join(", ");
    return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown || "nothing";
  }
}
