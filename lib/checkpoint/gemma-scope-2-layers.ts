import { basename, join } from "node:path";
import { show } from "../errors/show-value.js";
import { readFloats } from "./finite.js";
import { type LayerHooks, parseMultiLayerConfig } from "./multi-layer-config.js";
import {
  checkLayer,
  type LayerParams,
  type MultiLayerFile,
  need,
  tensorsOf,
  total,
} from "./multi-layer-file.js";
import { isPresent } from "./other-format.js";
import { refuse } from "./refuse.js";
import { configLimits, readStrictJson } from "./strict-json.js";

const keys = new Map([
  ["w_enc", "W_enc"],
  ["w_dec", "W_dec"],
  ["b_enc", "b_enc"],
  ["b_dec", "b_dec"],
  ["threshold", "threshold"],
  ["affine_skip_connection", "skip"],
] as const);

/**
 * Opens a Gemma Scope 2 crosscoder or cross-layer transcoder: a folder of config.json and one
 * params_layer_{i}.safetensors for each site.
 */
export function openGemmaScope2Layers(folder: string): MultiLayerFile {
  const configFile = join(folder, "config.json");
  const config = parseMultiLayerConfig(readStrictJson(configFile, configLimits), configFile);
  const fileOf = (site: number) => join(folder, `params_layer_${site}.safetensors`);
  const first = readLayer(fileOf(0));
  const [width = 0] = first.b_dec.shape;
  const [, sites = 0] = first.W_dec.shape;
  if (width < 1 || sites < 1 || sites > 1000) {
    refuse(fileOf(0), "w_dec", "[features, sites, width]", show(first.W_dec.shape));
  }
  const { reads, writes } = config;
  const count = reads.layers === "all" ? sites : reads.layers.length;
  if (count !== sites) {
    refuse(fileOf(0), "w_dec", `${count} sites (config.json)`, show(first.W_dec.shape));
  }
  const files = Array.from({ length: sites }, (_, site) => fileOf(site));
  const layers = files.map((file, site) => (site === 0 ? first : readLayer(file)));
  const features = layers.map((layer) => checkLayer(layer, width, sites));
  const skip = checkSkips(layers, config.affine, configFile);
  const dSae = total(features, configFile);
  if (config.dSae !== null && config.dSae !== dSae) {
    refuse(configFile, "width", `${dSae}, the features of all files`, config.dSae);
  }
  checkExtra(fileOf(sites), layers.at(-1) as LayerParams);
  return {
    format: "gemma-scope-2",
    kind: config.kind,
    files,
    layers,
    reads: hookNames(reads, sites),
    writes: hookNames(writes, sites),
    width,
    dSae,
    skip,
    l0: config.l0,
    modelName: config.modelName,
    widthName: /(?:^|_)width_(\w+?)_l0_/.exec(basename(folder))?.[1],
  };
}

function readLayer(file: string): LayerParams {
  const found = tensorsOf(file, keys);
  return {
    W_enc: need(found, "W_enc", file, "w_enc"),
    byFeature: false,
    b_enc: need(found, "b_enc", file),
    threshold: need(found, "threshold", file),
    W_dec: need(found, "W_dec", file, "w_dec"),
    b_dec: need(found, "b_dec", file),
    ...(found.skip !== undefined && { skip: found.skip }),
  };
}

/** All sites have a skip or none, as config.json says. */
function checkSkips(
  layers: readonly LayerParams[],
  affine: boolean | null,
  config: string,
): boolean {
  const skip = affine ?? layers[0]?.skip !== undefined;
  const other = layers.find((layer) => (layer.skip !== undefined) !== skip);
  if (other !== undefined) {
    const why = affine === null ? "as the first file" : `${config} has affine_connection`;
    const want = skip ? `a tensor (${why})` : `none (${why})`;
    refuse(other.b_dec.file, "affine_skip_connection", want, skip ? "none" : "a tensor");
  }
  return skip;
}

/** One release has its last file twice, the second time under the next number. */
function checkExtra(file: string, last: LayerParams): void {
  if (!isPresent(file)) return;
  const extra = readLayer(file);
  const same = (["b_enc", "threshold", "b_dec"] as const).every((key) => {
    const [a, b] = [extra[key], last[key]];
    if (a === undefined || b === undefined || show(a.shape) !== show(b.shape)) return false;
    const values = readFloats(b);
    return readFloats(a).every((value, i) => value === values[i]);
  });
  if (!same)
    refuse(file, "file", "no file beyond the sites of w_dec, or the last one again", "another");
}

function hookNames({ layers, point }: LayerHooks, sites: number): string[] {
  const listed = layers === "all" ? Array.from({ length: sites }, (_, layer) => layer) : layers;
  return listed.map((layer) => `blocks.${layer}.${point}`);
}
