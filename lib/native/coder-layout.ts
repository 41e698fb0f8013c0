/** The layout of a coder's parameters and sites: the types of `coderLoad`. */

import type { NativeTensorSource } from "./tensor-source.js";

/** A hook point that a coder reads or writes. */
export interface NativeSite {
  /** The point's id. */
  readonly point: number;
  /** Numbers for each position, heads flattened. */
  readonly width: number;
}

/** The features of one read site. */
export interface NativeEncoder {
  /** [width, features]; [features, width] if `byFeature`. */
  readonly W_enc: NativeTensorSource;
  /** Absent: false. */
  readonly byFeature?: boolean;
  /** [features] */
  readonly b_enc: NativeTensorSource;
  /** [features]; absent: 0, a plain ReLU. */
  readonly threshold?: NativeTensorSource;
  /** [features, width], or [features, n, width] for n write sites. */
  readonly W_dec: NativeTensorSource;
  /** The write site of each of the n; −1 skips its rows. */
  readonly writesAt: Int32Array;
  /** The write sites where edits of its features are added. Default: all that it writes. */
  readonly editsAt?: Int32Array;
}

/** One write site. */
export interface NativeDecoder {
  /** [width] */
  readonly b_dec: NativeTensorSource;
  /** [width of the read site, width], applied as x·A. */
  readonly skip?: NativeTensorSource;
  /** The read site of x; needed with `skip`. */
  readonly skipRead?: number;
}

export interface NativeCoderLayout {
  readonly reads: readonly NativeSite[];
  readonly writes: readonly NativeSite[];
  /** One for each read site; flat feature ids count through them in this order. */
  readonly encoders: readonly NativeEncoder[];
  /** One for each write site. */
  readonly decoders: readonly NativeDecoder[];
}

export interface NativeCoderConfig {
  /** Multiplies W_enc (embedding coders: 1/√d_model); 1 for none. */
  readonly encoderScale: number;
  /** Multiplies W_dec; 1 for none. */
  readonly decoderScale: number;
  /** Whether the encoder of read site i reads x − b_dec of write site i. */
  readonly subtractsBDec: boolean;
  /** Whether the file stores the skip as [width, width of the read site]. */
  readonly transposeSkip: boolean;
  /** If the tables W_dec together take more bytes, they stay in their files; absent: no limit. */
  readonly maxDecoderBytes?: number;
}
