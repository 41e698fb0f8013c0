import type { ExcludedTokens } from "./special-tokens.js";

/** The tokens that an edit of activations changes. Default: every real token of every row. */
export interface EditOptions {
  /** Counted in each row's real tokens, negative from its end. */
  readonly positions?: number | readonly number[] | undefined;
  /** Rows of the batch. Default: all. */
  readonly batch?: number | readonly number[] | undefined;
}

/** Options for `topK` and `at`. */
export interface ReadOptions {
  /**
   * Leave out features of special tokens (BOS, turns and so on), or of the tokens with these ids.
   * Default false. The activations must come from known tokens.
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

/** One active feature with its row and position. */
export interface LocatedFeature extends ActiveFeature {
  /** Row of the batch. */
  readonly batch: number;
  /** Counted in the row's real tokens. */
  readonly position: number;
}

/**
 * Active features in compressed sparse rows. Token t (flattened over all but the last axis of
 * `shape`) has the features `indices[indptr[t] … indptr[t+1])`, ascending, with their `values`.
 */
export interface SparseFeatures {
  /** [.., dSae], the shape of the equivalent dense tensor. */
  readonly shape: number[];
  /** The offset of each token's first feature, then the total count: tokens + 1 entries. */
  readonly indptr: Int32Array;
  /** The ids of the active features. */
  readonly indices: Int32Array;
  /** Their activations. */
  readonly values: Float32Array;
}
