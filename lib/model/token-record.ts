import type { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import type { ActivationCache } from "../hooks/activation-cache.js";
import { disown } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { GeneratedToken } from "./generate-options.js";
import { Run } from "./run.js";

/** A token without its text: a model without a tokenizer has no text. */
export type DrawnToken = Omit<GeneratedToken, "text">;

/** A text, or the reason it is missing. */
export type TextOrError = string | { readonly missing: unknown };

/**
 * A generated token with the activations, features or logits of `record`. At step 0 these are the
 * prompt's activations [1, n, ..] at the row's real tokens, afterwards those of the position before
 * the token. The token owns them: `dispose()` (or `using`) frees them.
 *
 * @example
 * const record = { names: ["blocks.2.hook_resid_post"] } as const;
 * for await (const t of model.generate(text, { maxNewTokens: 3, record })) {
 *   using token = t;
 *   console.log(token.text, token.cache.get("blocks.2.hook_resid_post").shape);
 * }
 */
export class RecordedToken<Names extends string = string>
  extends Run<Names>
  implements GeneratedToken
{
  /** The row of the batch, 0 for a single prompt. */
  readonly batch: number;
  /** Its id. */
  readonly token: number;
  /** Natural logarithm of its probability under the unmodified softmax. */
  readonly logprob: number;
  /** 0 for the first new token. */
  readonly step: number;
  /** With `logits: true`: [d_vocab] after the soft cap, before temperature, penalty and so on. */
  readonly logits: Tensor<["d_vocab"]> | undefined;
  readonly #text: TextOrError;

  /** @internal */
  constructor(
    drawn: DrawnToken,
    text: TextOrError,
    cache: ActivationCache<Names>,
    features: ReadonlyMap<Coder, FeatureActs>,
    logits: Tensor<["d_vocab"]> | undefined,
  ) {
    super(cache, features);
    this.batch = drawn.batch;
    this.token = drawn.token;
    this.logprob = drawn.logprob;
    this.step = drawn.step;
    this.#text = text;
    this.logits = logits;
    if (logits !== undefined) disown(logits);
  }

  /**
   * The text that becomes final with it: "" inside a character, for special and for stop tokens.
   */
  get text(): string {
    if (typeof this.#text === "string") return this.#text;
    throw this.#text.missing;
  }

  override toJSON(): Record<string, unknown> {
    const { batch, token, text, logprob, step } = this;
    return { batch, token, text, logprob, step, ...super.toJSON() };
  }

  /** Frees the record, including logits. */
  override dispose(): void {
    super.dispose();
    this.logits?.dispose();
  }

  protected override described(): string[] {
    const { batch, step, token, logprob } = this;
    const text = typeof this.#text === "string" ? ` ${JSON.stringify(this.#text)}` : "";
    return [
      `  row ${batch}, step ${step}: ${token}${text} (logprob ${logprob.toFixed(3)})`,
      ...(this.logits === undefined ? [] : [`  logits: ${this.logits}`]),
      ...super.described(),
    ];
  }
}
