import { show } from "../errors/show-value.js";
import { firstNotFinite } from "./finite.js";
import { refuse } from "./refuse.js";
import { readSafetensorsHeader } from "./safetensors.js";
import type { FileSource } from "./tensor-source.js";

/** The parameters of one site of a coder of several layers. */
export interface LayerParams {
  /** `[width, features]`, or `[features, width]` if `byFeature`. */
  readonly W_enc: FileSource;
  /** Whether W_enc has a row for each feature. */
  readonly byFeature: boolean;
  /** `[features]` */
  readonly b_enc: FileSource;
  /** `[features]`; absent for a plain ReLU, whose thresholds are 0. */
  readonly threshold?: FileSource;
  /** `[features, n, width]`: what the features write at the last n sites. */
  readonly W_dec: FileSource;
  /** `[width]`, of this site's output. */
  readonly b_dec: FileSource;
  /** `[width, width]`, applied as x·A; only with an affine skip connection. */
  readonly skip?: FileSource;
}

/** The files of a coder of several layers, with its parameters found and their shapes checked. */
export interface MultiLayerFile {
  /** The format: Gemma Scope 2's, or the one that circuit-tracer reads. */
  readonly format: "gemma-scope-2" | "circuit-tracer";
  /** A cross-layer transcoder, or a crosscoder. */
  readonly kind: "clt" | "crosscoder";
  /** The files of parameters, site by site. */
  readonly files: readonly string[];
  /** One for each site. */
  readonly layers: readonly LayerParams[];
  /** The hook that each site reads. */
  readonly reads: readonly string[];
  /** The hook that each site writes. */
  readonly writes: readonly string[];
  /** Width of what a site reads, and of what it writes. */
  readonly width: number;
  /** Number of features, of all encoders together. */
  readonly dSae: number;
  /** Whether every site has an affine skip connection. */
  readonly skip: boolean;
  /** Mean number of active features, as published. */
  readonly l0: number | undefined;
  /** The model without its owner: `gemma-3-1b-it`. */
  readonly modelName: string | undefined;
  /** As the folder names it: `262k`. */
  readonly widthName: string | undefined;
}

type Name = Exclude<keyof LayerParams, "byFeature">;

/** The tensors of one file by our names. `keys` maps what the file calls them. */
export function tensorsOf(
  file: string,
  keys: ReadonlyMap<string, Name>,
): Partial<Record<Name, FileSource>> {
  const found: Partial<Record<Name, FileSource>> = {};
  for (const [name, source] of readSafetensorsHeader(file).tensors) {
    const key = keys.get(name) ?? keys.get(name.toLowerCase());
    if (key === undefined)
      return refuse(file, name, `one of ${[...keys.keys()].join(" ")}`, "another");
    if (found[key]) refuse(file, name, "each parameter once", "it in two spellings");
    if (!/^b?float/.test(source.dtype)) {
      refuse(file, name, "floating-point elements", source.dtype);
    }
    found[key] = source;
  }
  return found;
}

/** The parameter, which must be there. */
export function need(
  found: Partial<Record<Name, FileSource>>,
  key: Name,
  file: string,
  name: string = key,
): FileSource {
  return found[key] ?? refuse(file, name, "the parameter", "none");
}

/** Checks one site's shapes; returns its number of features. `sites`: the n of W_dec. */
export function checkLayer(layer: LayerParams, width: number, sites: number): number {
  const features = layer.b_enc.shape[0] ?? 0;
  if (features < 1 || features >= 2 ** 31) {
    refuse(layer.b_enc.file, layer.b_enc.name, "[features]", show(layer.b_enc.shape));
  }
  const want: Record<Name, readonly number[]> = {
    W_enc: layer.byFeature ? [features, width] : [width, features],
    b_enc: [features],
    threshold: [features],
    W_dec: [features, sites, width],
    b_dec: [width],
    skip: [width, width],
  };
  for (const key of Object.keys(want) as Name[]) {
    const source = layer[key];
    if (source === undefined || show(source.shape) === show(want[key])) continue;
    refuse(source.file, source.name, `shape ${show(want[key])}`, show(source.shape));
  }
  checkThreshold(layer.threshold);
  return features;
}

/** A feature whose threshold is not finite would be active never or always. */
function checkThreshold(threshold: FileSource | undefined): void {
  if (threshold === undefined) return;
  const bad = firstNotFinite(threshold);
  if (bad < 0) return;
  refuse(threshold.file, threshold.name, "finite numbers", `one that is not, of feature ${bad}`);
}

/** The features of all encoders together. Ids must fit 32 bits. */
export function total(counts: readonly number[], file: string): number {
  const sum = counts.reduce((all, count) => all + count, 0);
  if (sum >= 2 ** 31) refuse(file, "features", "fewer than 2^31 in all", sum);
  return sum;
}
