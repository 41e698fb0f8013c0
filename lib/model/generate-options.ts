import type { Coder } from "../coder/coder.js";
import type { CheckedHooks } from "../hooks/hook.js";
import type { CanonicalHookName, CheckedNames, HookKeys } from "../hooks/names.js";
import type { RunEditOptions } from "../intervene/types.js";
import type { CoderRead } from "./observed-coders.js";
import type { SamplingOptions } from "./sampling.js";
import type { Truncate } from "./truncate.js";

/** Options for `record` in `generate`: the parts of its run that each token keeps. */
export interface RecordOptions<Names extends HookKeys = HookKeys> {
  /** Activations, after all changes: names, or a predicate over all of the model's names. */
  readonly names?: CheckedNames<Names> | ((name: CanonicalHookName) => boolean) | undefined;
  /** The coders whose features are kept; for a coder in `coders`, the edited features. */
  readonly features?: readonly (Coder | CoderRead)[] | undefined;
  /** The logits that the token was drawn from, before temperature, top-k and so on. */
  readonly logits?: boolean | undefined;
}

/** {@link RecordOptions} with logits. */
export interface RecordWithLogits<Names extends HookKeys> extends RecordOptions<Names> {
  /** Keep the logits that the token was drawn from: [d_vocab]. */
  readonly logits: true;
}

/** Options for `generate` with or without `record`. */
export interface GenerateSettings<Hooks extends HookKeys = HookKeys>
  extends SamplingOptions,
    RunEditOptions {
  /** Default 20. Generation also ends when the model's context is full. */
  readonly maxNewTokens?: number | undefined;
  /** End a row at the model's end tokens. Default true. */
  readonly stopAtEos?: boolean | undefined;
  /**
   * End a row before any of these strings. They match the generated text with special tokens
   * written out: "<end_of_turn>" stops at that token, and a string does not match across a special
   * token.
   */
  readonly stop?: readonly string[] | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /**
   * Truncate prompts so that `maxNewTokens` fit into the model's context after them: true or
   * "right" keeps a prompt's beginning, "left" its end, with the BOS before it if it has one.
   * Default false.
   */
  readonly truncate?: Truncate | undefined;
  /**
   * Hooks of every step. `step` is 0 for the prompt; `positionOffset` is the first column of `act`.
   */
  readonly hooks?: CheckedHooks<Hooks> | undefined;
  /** Stops the generation between two layers; its consumer gets `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for `generate`. */
export interface GenerateOptions<
  Names extends HookKeys = HookKeys,
  Hooks extends HookKeys = HookKeys,
> extends GenerateSettings<Hooks> {
  /** Record these for each token: the tokens are {@link RecordedToken}s, which you must dispose. */
  readonly record?: RecordOptions<Names> | undefined;
}

/** One new token of one row. */
export interface GeneratedToken {
  /** The row of the batch, 0 for a single prompt. */
  readonly batch: number;
  /** Its id. */
  readonly token: number;
  /**
   * The text that becomes final with it: "" inside a character, for special and for stop tokens.
   */
  readonly text: string;
  /** Natural logarithm of its probability under the unmodified softmax. */
  readonly logprob: number;
  /** 0 for the first new token. */
  readonly step: number;
}
