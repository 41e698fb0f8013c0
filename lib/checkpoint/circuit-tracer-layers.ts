import { join } from "node:path";
import { show } from "../errors/show-value.js";
import { readCircuitTracerConfig } from "./circuit-tracer-config.js";
import { readFloats } from "./finite.js";
import {
  checkLayer,
  type LayerParams,
  type MultiLayerFile,
  need,
  tensorsOf,
  total,
} from "./multi-layer-file.js";
import { isPresent } from "./other-format.js";
import { refuse, unsupported } from "./refuse.js";
import type { FileSource } from "./tensor-source.js";

const maxLayers = 1000;

/**
 * Opens a cross-layer transcoder as circuit-tracer reads it (`mntss/clt-gemma-2-2b-426k`): a folder of
 * config.yaml and, for each layer, W_enc_{i}.safetensors with W_enc_i [features, width], b_enc_i,
 * b_dec_i and perhaps threshold_i, and W_dec_{i}.safetensors with W_dec_i
 * [features, layers − i, width].
 */
export function openCircuitTracerLayers(folder: string): MultiLayerFile {
  const configFile = join(folder, "config.yaml");
  const config = readCircuitTracerConfig(configFile);
  if (config.kind !== "clt") {
    const remedy = "one transcoder for each layer: load each with Transcoder.fromFile";
    unsupported(configFile, "model_kind", "cross_layer_transcoder", remedy);
  }
  if (config.files !== undefined) {
    unsupported(configFile, "transcoders", "none (the files lie beside config.yaml)", "a list");
  }
  const count = countLayers(folder);
  const layers = Array.from({ length: count }, (_, i) => readLayer(folder, i));
  const [width = 0] = layers[0]?.b_dec.shape ?? [];
  const features = layers.map((layer, i) => checkLayer(layer, width, count - i));
  const hooks = (point: string) => layers.map((_, i) => `blocks.${i}.${point}`);
  return {
    format: "circuit-tracer",
    kind: "clt",
    files: layers.flatMap(({ W_enc, W_dec }) => [W_enc.file, W_dec.file]),
    layers,
    reads: hooks(config.readPoint),
    writes: hooks(config.writePoint),
    width,
    dSae: total(features, configFile),
    skip: false,
    l0: undefined,
    modelName: config.modelName,
    widthName: undefined,
  };
}

/** From 0 on without a gap: W_dec's sizes say whether the last one is missing. */
function countLayers(folder: string): number {
  let count = 0;
  while (count < maxLayers && isPresent(join(folder, `W_enc_${count}.safetensors`))) count++;
  return Math.max(count, 1);
}

function readLayer(folder: string, i: number): LayerParams {
  const file = join(folder, `W_enc_${i}.safetensors`);
  const encoder = tensorsOf(
    file,
    new Map([
      [`W_enc_${i}`, "W_enc"],
      [`b_enc_${i}`, "b_enc"],
      [`b_dec_${i}`, "b_dec"],
      [`threshold_${i}`, "threshold"],
    ] as const),
  );
  const decoderFile = join(folder, `W_dec_${i}.safetensors`);
  const decoder = tensorsOf(decoderFile, new Map([[`W_dec_${i}`, "W_dec"]] as const));
  const threshold = thresholdOf(encoder.threshold);
  return {
    W_enc: need(encoder, "W_enc", file, `W_enc_${i}`),
    byFeature: true,
    b_enc: need(encoder, "b_enc", file, `b_enc_${i}`),
    ...(threshold !== undefined && { threshold }),
    W_dec: need(decoder, "W_dec", decoderFile, `W_dec_${i}`),
    b_dec: need(encoder, "b_dec", file, `b_dec_${i}`),
  };
}

/**
 * [features] of a threshold that may be stored as [1, features]. circuit-tracer's activation has no
 * ReLU: under a negative threshold it lets negative values pass, which no feature here has.
 */
function thresholdOf(source: FileSource | undefined): FileSource | undefined {
  if (source === undefined) return undefined;
  const { shape, name, file } = source;
  const flat = shape.length === 2 && shape[0] === 1 ? { ...source, shape: shape.slice(1) } : source;
  if (flat.shape.length !== 1) refuse(file, name, "[features]", show(shape));
  const negative = readFloats(flat).findIndex((value) => value < 0);
  if (negative >= 0)
    unsupported(file, name, "thresholds of at least 0", `one below, of feature ${negative}`);
  return flat;
}
