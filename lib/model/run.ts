import { inspect } from "node:util";
import type { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import { siteNames } from "../coder/site.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { ActivationCache } from "../hooks/activation-cache.js";
import { disown, keepBeyond, own } from "../native/scope.js";

/**
 * The result of `runWithCache`: the requested activations and features. It owns them: `dispose()`
 * (or `using`) frees them all.
 */
export class Run<Names extends string = string> implements Disposable {
  /** The activations of `names`. */
  readonly cache: ActivationCache<Names>;
  readonly #features: ReadonlyMap<Coder, FeatureActs>;

  /** @internal */
  constructor(cache: ActivationCache<Names>, features: ReadonlyMap<Coder, FeatureActs>) {
    this.cache = cache;
    this.#features = features;
    disown(cache);
    for (const acts of features.values()) disown(acts);
    own(this);
  }

  /**
   * The feature activations of a coder given in `features`.
   *
   * @throws NOT_FOUND if the coder was not in `features`
   */
  features(coder: Coder): FeatureActs {
    const acts = this.#features.get(coder);
    if (acts !== undefined) return acts;
    const known = [...this.#features.keys()].map(({ cfg }) => siteNames(cfg.reads));
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        "features",
        `a coder that the run was given (of ${known.join(", ") || "none"})`,
        null,
        "another",
      ),
      { known },
    );
  }

  /** Frees everything that the run holds. */
  dispose(): void {
    disown(this);
    this.cache.dispose();
    for (const acts of this.#features.values()) acts.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Keeps the run alive after the `tidy` or hook that would dispose it. */
  keep(): this {
    keepBeyond(this);
    return this;
  }

  /** A summary for `JSON.stringify`: shapes and feature counts, without values. */
  toJSON(): Record<string, unknown> {
    const features = [...this.#features].map(([coder, { shape, nnz }]) => ({ coder, shape, nnz }));
    return { cache: this.cache, features };
  }

  [inspect.custom](): string {
    const lines = [`${this.constructor.name}`, ...this.described()];
    return lines.join("\n");
  }

  protected described(): string[] {
    const features = [...this.#features].map(
      ([coder, acts]) => `  features of ${siteNames(coder.cfg.reads)}: ${inspect(acts)}`,
    );
    return [`  cache: ${this.cache}`, ...features];
  }
}
