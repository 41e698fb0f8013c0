import type { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import type { ActivationCache } from "../hooks/activation-cache.js";
import { disown } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { Run } from "./run.js";

/** A {@link Run} with logits. */
export class RunWithLogits<Names extends string = string> extends Run<Names> {
  /** [batch, pos, d_vocab] after the soft cap; [batch, 1, d_vocab] for `logits: "last"`. */
  readonly logits: Tensor<["batch", "pos", "d_vocab"]>;

  /** @internal */
  constructor(
    cache: ActivationCache<Names>,
    features: ReadonlyMap<Coder, FeatureActs>,
    logits: Tensor<["batch", "pos", "d_vocab"]>,
  ) {
    super(cache, features);
    this.logits = logits;
    disown(logits);
  }

  /** Frees everything that the run holds, including its logits. */
  override dispose(): void {
    super.dispose();
    this.logits.dispose();
  }

  override toJSON(): Record<string, unknown> {
    const { shape, dtype } = this.logits;
    return { logits: { shape, dtype }, ...super.toJSON() };
  }

  protected override described(): string[] {
    return [`  logits: ${this.logits}`, ...super.described()];
  }
}
