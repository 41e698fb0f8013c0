import type { ExcludedTokens } from "./special-tokens.js";

/** Which tokens an edit touches; left out: every real token of every row. */
export interface EditOptions {
  /** Counted in each row's real tokens, negative from its end. */
  readonly positions?: number | readonly number[] | undefined;
  /** Rows of the batch. Default: all. */
  readonly batch?: number | readonly number[] | undefined;
}

/** Options for `topK` and `at`. */
export interface ReadOptions {
  /**
   * Leave out what fires on special tokens (BOS, turns and so on), or on the tokens with these ids.
   * Default false. The activations must be of tokens.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** One active feature of one token. */
export interface ActiveFeature {
  /** Its index, 0 to dSae − 1. */
  readonly feature: number;
  /** How strongly it fires: f, in units of its decoder row. */
  readonly value: number;
}

/** One active feature and where it is active. */
export interface LocatedFeature extends ActiveFeature {
  /** Row of the batch. */
  readonly batch: number;
  /** Counted in the row's real tokens. */
  readonly position: number;
}

/**
 * Active features in compressed rows: the features of token t (flattened over all but the last
 * axis of `shape`) are `indices[indptr[t] … indptr[t+1])`, ascending, with their `values`.
 */
export interface SparseFeatures {
  /** [.., dSae], the shape of the dense tensor this stands for. */
  readonly shape: number[];
  /** Where each token's features begin, and last the number of all: tokens + 1 entries. */
  readonly indptr: Int32Array;
  /** Ids of features, one for each active one. */
  readonly indices: Int32Array;
  /** Their activations. */
  readonly values: Float32Array;
}
