import type { MultiLayerFile } from "../checkpoint/multi-layer-file.js";
import { openMultiLayerFile } from "../checkpoint/open-multi-layer.js";
import { argument, checkOptions } from "../errors/check-options.js";
import type { CoderConfig, CoderDtype } from "./coder-config.js";
import { type CoderLayout, type LoadedCoder, loadLayout } from "./coder-layout.js";
import { siteAt } from "./site.js";

/** Options for `CrossLayerTranscoder.fromFile`. */
export interface MultiLayerFileOptions {
  /** "cpu" (default) or "cuda", "cuda:1". */
  readonly device?: string | undefined;
  /** Default "auto": the files' own. */
  readonly dtype?: CoderDtype | undefined;
  /**
   * If the decoders together take more bytes than this, they stay in their files, and each call reads
   * the rows of the features that are active. Otherwise they are loaded. Default 4 GiB.
   */
  readonly maxDecoderBytes?: number | undefined;
  /** Stops loading; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

const kinds = { CrossLayerTranscoder: "clt", Crosscoder: "crosscoder" } as const;
const names = { clt: "a cross-layer transcoder", crosscoder: "a crosscoder" } as const;
const dtypes = ["auto", "float32", "bfloat16", "float16"];
const optionNames = ["device", "dtype", "maxDecoderBytes", "signal"];

/** Opens the folder of a coder of several layers, checks the options, and loads its parameters. */
export async function loadMultiLayer(
  kind: keyof typeof kinds,
  path: string,
  options: MultiLayerFileOptions & { readonly sites?: unknown },
): Promise<LoadedCoder & { readonly file: MultiLayerFile }> {
  const caller = `${kind}.fromFile`;
  const isCrosscoder = kind === "Crosscoder";
  checkOptions(caller, options, isCrosscoder ? [...optionNames, "sites"] : optionNames);
  if (typeof path !== "string") throw argument(caller, "a string", "path", typeof path);
  const { device = "cpu", dtype = "auto", maxDecoderBytes = 4 * 2 ** 30, sites = "own" } = options;
  if (!dtypes.includes(dtype)) {
    throw argument(caller, `one of ${dtypes.join(", ")}`, "dtype", dtype);
  }
  if (!Number.isSafeInteger(maxDecoderBytes) || maxDecoderBytes < 0) {
    throw argument(caller, "a number of bytes", "maxDecoderBytes", maxDecoderBytes);
  }
  if (sites !== "own" && sites !== "all") {
    throw argument(caller, '"own" or "all"', "sites", JSON.stringify(sites));
  }
  options.signal?.throwIfAborted();
  const file = openMultiLayerFile(path);
  if (file.kind !== kinds[kind]) {
    const other = isCrosscoder ? "CrossLayerTranscoder" : "Crosscoder";
    const got = `${names[file.kind]}: load it with ${other}.fromFile`;
    throw argument(caller, names[kinds[kind]], "path", got, { path });
  }
  const layout = { ...layoutOf(file, path, isCrosscoder && sites === "own"), maxDecoderBytes };
  return { ...(await loadLayout(caller, layout, { device, dtype, signal: options.signal })), file };
}

/** `own`: edits of a feature are added at its encoder's site alone. */
function layoutOf(file: MultiLayerFile, path: string, own: boolean): CoderLayout {
  const { layers, width } = file;
  const count = layers.length;
  const cfg: CoderLayout<CoderConfig>["cfg"] = {
    architecture: layers.some(({ threshold }) => threshold !== undefined) ? "jumprelu" : "relu",
    reads: file.reads.map((hook) => siteAt(hook, width)),
    writes: file.writes.map((hook) => siteAt(hook, width)),
    dSae: file.dSae,
    neuronpediaId: undefined,
    release: undefined,
    saeId: undefined,
    l0: file.l0,
    layer: undefined,
    width: file.widthName,
    modelName: file.modelName,
    path,
    skip: file.skip,
    applyBDecToInput: false,
  };
  return {
    cfg,
    encoders: layers.map(({ W_enc, byFeature, b_enc, threshold, W_dec }, site) => ({
      W_enc,
      byFeature,
      b_enc,
      ...(threshold !== undefined && { threshold }),
      W_dec,
      writesAt: writesAt(site, count, W_dec.shape[1] ?? 0),
      ...(own && { editsAt: [site] }),
    })),
    decoders: layers.map(({ b_dec, skip }, site) => ({
      b_dec,
      ...(skip !== undefined && { skip: { A: skip, read: site } }),
    })),
    files: file.files,
  };
}

/** The site of each of W_dec's `rows`, which end at the last; what precedes the encoder's is zero. */
function writesAt(site: number, count: number, rows: number): number[] {
  return Array.from({ length: rows }, (_, i) => {
    const write = count - rows + i;
    return write < site ? -1 : write;
  });
}
