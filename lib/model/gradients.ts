import { inspect } from "node:util";
import { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import { siteNames } from "../coder/site.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { ActivationCache } from "../hooks/activation-cache.js";
import type { AxesOf, CheckedKey, LooseCacheKey, NameOfKey } from "../hooks/names.js";
import { disown } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { jsonNumber } from "../tensor/tensor-json.js";
import { Run } from "./run.js";

interface Parts<Names extends string> {
  readonly value: number;
  readonly cache: ActivationCache<Names>;
  readonly grads: ActivationCache<Names>;
  readonly features: ReadonlyMap<Coder, FeatureActs>;
  readonly featureGrads: ReadonlyMap<Coder, FeatureActs>;
}

/**
 * The result of `runWithGradients`: the target's value, its gradients at the requested hooks and at
 * the features of spliced coders, and the activations at both. It owns them: `dispose()` (or
 * `using`) frees them all.
 */
export class Gradients<Names extends string = string> extends Run<Names> {
  /** The target's value; with several rows their sum (for a loss, the mean). */
  readonly value: number;
  readonly #grads: ActivationCache<Names>;
  readonly #featureGrads: ReadonlyMap<Coder, FeatureActs>;

  /** @internal */
  constructor({ value, cache, grads, features, featureGrads }: Parts<Names>) {
    super(cache, features);
    this.value = value;
    this.#grads = grads;
    this.#featureGrads = featureGrads;
    disown(grads);
    for (const acts of featureGrads.values()) disown(acts);
  }

  /**
   * The gradient at a spliced coder's features: one number for each active feature of
   * `features(coder)`. It treats the splice's error term as a constant.
   *
   * @example
   * const options = { coders: [sae], target: { logit: " Japanese" } };
   * using g = await model.runWithGradients(text, { names: ["hook_embed"], ...options });
   * console.log(g.grad("hook_embed").shape, await g.grad(sae).at({ position: -1 }));
   *
   * @throws NOT_FOUND if the coder was not spliced
   */
  grad(coder: Coder): FeatureActs;
  /**
   * The gradient at a hook, in the shape and type of its activation, with respect to the value
   * after all hooks there. It is zero where the target does not depend on that value.
   *
   * @throws NOT_FOUND if the hook was not among `names`; DISPOSED
   */
  grad<const Key extends LooseCacheKey<Names>>(
    key: CheckedKey<Key, Names>,
  ): Tensor<AxesOf<NameOfKey<Key>>>;
  grad(key: unknown): FeatureActs | Tensor {
    if (!(key instanceof Coder)) return this.#grads.get(key as never);
    const acts = this.#featureGrads.get(key);
    if (acts !== undefined) return acts;
    const known = [...this.#featureGrads.keys()].map(({ cfg }) => siteNames(cfg.reads));
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        "grad",
        `a coder that the run was given in \`coders\` (of ${known.join(", ") || "none"})`,
        null,
        "another",
      ),
      { known },
    );
  }

  /** Frees everything that the run holds, including gradients. */
  override dispose(): void {
    super.dispose();
    this.#grads.dispose();
    for (const acts of this.#featureGrads.values()) acts.dispose();
  }

  override toJSON(): Record<string, unknown> {
    return { value: jsonNumber(this.value), grads: this.#grads, ...super.toJSON() };
  }

  protected override described(): string[] {
    const spliced = [...this.#featureGrads].map(
      ([coder, acts]) => `  gradients of ${siteNames(coder.cfg.reads)}: ${inspect(acts)}`,
    );
    const lines = [`  value: ${this.value}`, `  gradients: ${this.#grads}`, ...spliced];
    return [...lines, ...super.described()];
  }
}
