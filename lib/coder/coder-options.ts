import type { FeatureActs } from "./feature-acts.js";
import type { RowMask } from "./row-mask.js";
import type { ExcludedTokens } from "./special-tokens.js";

/** Options for `forward` and `error` of a coder. */
export interface CoderCallOptions {
  /**
   * Which tokens of the input are real: 1 or true for a real one, false for all. Default: what the
   * input remembers of the run that it comes from.
   */
  readonly mask?: RowMask | false | undefined;
  /** Takes a tensor that is known to come from another hook. */
  readonly unchecked?: boolean | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for `decode` of a coder. */
export type DecodeOptions = Pick<CoderCallOptions, "unchecked" | "signal">;

/** Options for `edit` of a coder. */
export interface CoderEditOptions extends CoderCallOptions {
  /**
   * Leave special tokens (BOS, turns and so on) without features, or the tokens with these ids.
   * Default false. The input must be an activation of tokens.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** Options for `encode`. */
export interface EncodeOptions extends CoderEditOptions {
  /** Only these features are computed. */
  readonly features?: readonly number[] | undefined;
}

/** What `edit` calls: changes the activations in place, or returns others. */
export type EditFunction = (acts: FeatureActs) => void | FeatureActs | Promise<void | FeatureActs>;

/** The names of {@link CoderCallOptions}. */
export const callKeys = ["mask", "unchecked", "signal"] as const;
