import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { CoderHandle, NativeTensorSource } from "../native/addon.js";
import { call, task } from "../native/call.js";
import type { NativeEncoder } from "../native/coder-layout.js";
import type { CoderConfig, CoderDtype } from "./coder-config.js";
import { pointOf } from "./hook-name.js";
import type { Site } from "./site.js";

/** The parameters of one read site's features, as tensors in files. */
export interface EncoderLayout {
  /** [width, features]; [features, width] if `byFeature`. */
  readonly W_enc: TensorSource;
  /** Whether W_enc has a row for each feature. Default false. */
  readonly byFeature?: boolean;
  /** [features] */
  readonly b_enc: TensorSource;
  /** [features]. Default: zeros, a plain ReLU. */
  readonly threshold?: TensorSource;
  /** [features, width], or [features, n, width] for n write sites. */
  readonly W_dec: TensorSource;
  /** The index in `writes` of each of the n; −1 to skip those rows, which must be zero. */
  readonly writesAt: readonly number[];
  /**
   * The sites where edits of its features are added, as indices in `writes`. Default: `writesAt`.
   */
  readonly editsAt?: readonly number[];
}

/** The parameters of one write site, as tensors in files. */
export interface DecoderLayout {
  /** [width] */
  readonly b_dec: TensorSource;
  /** A of the skip connection x·A, and the index in `reads` of its x. */
  readonly skip?: { readonly A: TensorSource; readonly read: number };
}

/**
 * The file layout of a coder, known before the weights are loaded. A kind of coder is a subclass of
 * `Coder` and a function from a path to a layout.
 */
export interface CoderLayout<Config extends CoderConfig = CoderConfig> {
  readonly cfg: Omit<Config, "dtype" | "device">;
  /** One for each of `cfg.reads`. */
  readonly encoders: readonly EncoderLayout[];
  /** One for each of `cfg.writes`. */
  readonly decoders: readonly DecoderLayout[];
  /** The parameter files in a fixed order: their bytes identify a coder that is not published. */
  readonly files: readonly string[];
  /** W_enc is divided by this factor and W_dec is multiplied by it. Default 1. */
  readonly encoderScale?: number;
  /** Whether the file stores the skip as [width, width of the read site]. */
  readonly transposeSkip?: boolean;
  /**
   * If the tables W_dec together take more bytes than this, they stay in their files: a call reads,
   * checks and converts only the rows that it needs. Default: no limit.
   */
  readonly maxDecoderBytes?: number;
}

/** A coder's feature ids and where they are decoded: one entry for each read site. */
export interface FeatureSites {
  /** The id of its first feature. */
  readonly first: number;
  /** The number of its features. */
  readonly count: number;
  /** The write sites that its features rebuild. */
  readonly decodes: readonly number[];
  /** The write sites where edits of its features are added. */
  readonly edits: readonly number[];
}

/** A coder whose parameters are loaded: the argument of its constructor. */
export interface LoadedCoder<Config extends CoderConfig = CoderConfig> {
  readonly handle: CoderHandle;
  readonly cfg: Config;
  readonly features: readonly FeatureSites[];
  readonly files: readonly string[];
}

/** Loads the parameters of a coder. */
export async function loadLayout<Config extends CoderConfig>(
  caller: string,
  layout: CoderLayout<Config>,
  options: {
    readonly device: string;
    readonly dtype: CoderDtype;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<LoadedCoder<Config>> {
  const { cfg, encoders, decoders, files, encoderScale: scale = 1, transposeSkip = false } = layout;
  const { device, dtype, signal } = options;
  const at = ({ hookName, width }: Site) => ({ point: pointOf(hookName), width });
  const native = {
    reads: cfg.reads.map(at),
    writes: cfg.writes.map(at),
    encoders: encoders.map((encoder) => nativeEncoder(encoder)),
    decoders: decoders.map(({ b_dec, skip }) => ({
      b_dec: floating(b_dec),
      ...(skip !== undefined && { skip: floating(skip.A), skipRead: skip.read }),
    })),
  };
  const config = {
    encoderScale: 1 / scale,
    decoderScale: scale,
    subtractsBDec: cfg.applyBDecToInput,
    transposeSkip,
    ...(layout.maxDecoderBytes !== undefined && { maxDecoderBytes: layout.maxDecoderBytes }),
  };
  const handle = await task(
    caller,
    (addon, ctx) => addon.coderLoad(native, config, { device, dtype }, ctx),
    { signal },
  );
  const loaded = { ...cfg, ...placeOf(caller, handle) } as unknown as Config;
  return { handle, cfg: loaded, features: featureSites(encoders), files };
}

function nativeEncoder({ writesAt, editsAt, byFeature, ...sources }: EncoderLayout): NativeEncoder {
  const { W_enc, b_enc, threshold, W_dec } = sources;
  return {
    W_enc: floating(W_enc),
    ...(byFeature !== undefined && { byFeature }),
    b_enc: floating(b_enc),
    ...(threshold !== undefined && { threshold: floating(threshold) }),
    W_dec: floating(W_dec),
    writesAt: Int32Array.from(writesAt),
    ...(editsAt !== undefined && { editsAt: Int32Array.from(editsAt) }),
  };
}

/** Narrows the type: opening the file checked that every element type is floating. */
function floating(source: TensorSource): NativeTensorSource {
  return source as NativeTensorSource;
}

function featureSites(encoders: readonly EncoderLayout[]): FeatureSites[] {
  let first = 0;
  return encoders.map(({ b_enc, writesAt, editsAt }) => {
    const [count = 0] = b_enc.shape;
    const decodes = writesAt.filter((write) => write >= 0).sort((a, b) => a - b);
    const sites = { first, count, decodes, edits: editsAt ?? decodes };
    first += count;
    return sites;
  });
}

function placeOf(caller: string, handle: CoderHandle): Pick<CoderConfig, "dtype" | "device"> {
  return call(caller, (addon) => {
    const weight = addon.coderParameter(handle, "W_enc", 0, 0);
    try {
      return { dtype: addon.tensorDtype(weight), device: addon.tensorDevice(weight) };
    } finally {
      addon.dispose(weight);
    }
  });
}
