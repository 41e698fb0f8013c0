import type { FeatureActs } from "./feature-acts.js";
import type { RowMask } from "./row-mask.js";
import type { ExcludedTokens } from "./special-tokens.js";

/** Options for `forward` and `error` of a coder. */
export interface CoderCallOptions {
  /**
   * Which tokens of the input are real: 1 or true for a real one, or `false` if all are. Default:
   * the padding of the run that the input comes from.
   */
  readonly mask?: RowMask | false | undefined;
  /** Accept a tensor that is known to come from another hook. Default false. */
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
   * Default false. The input must be an activation of known tokens.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** Options for `encode`. */
export interface EncodeOptions extends CoderEditOptions {
  /** Compute only these features. Default: all. */
  readonly features?: readonly number[] | undefined;
}

/** The function that `edit` calls: it changes the activations in place or returns others. */
export type EditFunction = (acts: FeatureActs) => void | FeatureActs | Promise<void | FeatureActs>;

/** The names of {@link CoderCallOptions}. */
export const callKeys = ["mask", "unchecked", "signal"] as const;
