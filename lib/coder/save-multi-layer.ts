import { join } from "node:path";
import { appendBytes, writeAtomically } from "../checkpoint/atomic-file.js";
import { publishedModules } from "../checkpoint/gemma-scope-2-config.js";
import type { MultiLayerFile } from "../checkpoint/multi-layer-file.js";
import { type SafetensorsEntry, writeSafetensors } from "../checkpoint/safetensors-writer.js";
import { argument } from "../errors/check-options.js";
import { tidy } from "../native/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ParameterName } from "./coder.js";
import type { CoderConfig } from "./coder-config.js";
import type { FeatureSites } from "./coder-layout.js";

/** A coder of several layers as its writer needs it. */
export interface SavedCoder {
  readonly cfg: CoderConfig;
  readonly features: readonly FeatureSites[];
  readonly format: MultiLayerFile["format"];
  readonly kind: MultiLayerFile["kind"];
  /** A parameter, borrowed. */
  readonly parameter: (name: ParameterName, read: number, write: number) => Tensor;
}

// 16 MB of float32.
const piece = 4 << 20;

/** Writes a coder in the layout that it was read from, in float32, a few megabytes at a time. */
export async function saveMultiLayer(path: string, coder: SavedCoder): Promise<void> {
  if (typeof path !== "string" || path === "") {
    throw argument("save", "a folder's name", "path", JSON.stringify(path));
  }
  const isPublished = coder.format === "gemma-scope-2";
  for (let site = 0; site < coder.cfg.reads.length; site++) {
    await (isPublished ? savePublished : saveCircuitTracer)(path, coder, site);
  }
  // Last: a folder without a configuration is not taken for a whole coder.
  const [name, text] = isPublished
    ? ["config.json", `${JSON.stringify(publishedConfig(coder), null, 2)}\n`]
    : ["config.yaml", circuitTracerConfig(coder)];
  await writeAtomically(join(path, name as string), (file) =>
    appendBytes(file, Buffer.from(text as string)),
  );
}

async function savePublished(path: string, coder: SavedCoder, site: number): Promise<void> {
  const { cfg, parameter } = coder;
  const plain = (name: string, key: ParameterName) => entryOf(name, parameter(key, site, site));
  await writeSafetensors(join(path, `params_layer_${site}.safetensors`), [
    plain("w_enc", "W_enc"),
    plain("b_enc", "b_enc"),
    plain("threshold", "threshold"),
    decoderEntry("w_dec", coder, site, 0),
    plain("b_dec", "b_dec"),
    ...(cfg.skip ? [plain("affine_skip_connection", "skip")] : []),
  ]);
}

async function saveCircuitTracer(path: string, coder: SavedCoder, site: number): Promise<void> {
  const { cfg, parameter } = coder;
  const plain = (key: ParameterName) => entryOf(`${key}_${site}`, parameter(key, site, site));
  using byFeature = parameter("W_enc", site, site).transpose(0, 1);
  await writeSafetensors(join(path, `W_enc_${site}.safetensors`), [
    entryOf(`W_enc_${site}`, byFeature),
    plain("b_enc"),
    plain("b_dec"),
    ...(cfg.architecture === "relu" ? [] : [plain("threshold")]),
  ]);
  const name = `W_dec_${site}`;
  await writeSafetensors(join(path, `${name}.safetensors`), [
    decoderEntry(name, coder, site, site),
  ]);
}

/** W_dec [features, n, width] of one encoder, at the sites from `begin` on; zeros before its own. */
function decoderEntry(
  name: string,
  { cfg, features, parameter }: SavedCoder,
  site: number,
  begin: number,
): SafetensorsEntry {
  const { count, decodes } = features[site] as FeatureSites;
  const width = cfg.writes[0]?.width ?? 0;
  const sites = cfg.writes.length - begin;
  const step = Math.max(1, Math.floor(piece / (sites * width)));
  return {
    name,
    dtype: "float32",
    shape: [count, sites, width],
    async *bytes() {
      for (let first = 0; first < count; first += step) {
        const end = Math.min(count, first + step);
        const rows = new Float32Array((end - first) * sites * width);
        for (const write of decodes) {
          const values = await valuesOf(parameter("W_dec", site, write), first, end);
          for (let f = 0; f < end - first; f++) {
            const row = values.subarray(f * width, (f + 1) * width);
            rows.set(row, (f * sites + write - begin) * width);
          }
        }
        yield bytesOf(rows);
      }
    },
  };
}

function entryOf(name: string, tensor: Tensor): SafetensorsEntry {
  const [count = 0, ...rest] = tensor.shape;
  const step = Math.max(1, Math.floor(piece / rest.reduce((product, size) => product * size, 1)));
  return {
    name,
    dtype: "float32",
    shape: tensor.shape,
    async *bytes() {
      for (let first = 0; first < count; first += step) {
        yield bytesOf(await valuesOf(tensor, first, Math.min(count, first + step)));
      }
    },
  };
}

async function valuesOf(tensor: Tensor, first: number, end: number): Promise<Float32Array> {
  using part = tidy(() => tensor.slice(0, first, end).contiguous());
  return (await part.read("float32")) as Float32Array;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function publishedConfig({ cfg, kind }: SavedCoder): object {
  const layers = cfg.reads.map(({ layer }) => layer);
  const all = kind === "clt" && layers.every((layer, i) => layer === i);
  const point = (hook: string) =>
    `model.layers.{${all ? "all" : layers.join(",")}}.${publishedModules[pointOf(hook)]}`;
  return {
    hf_hook_point_in: point(cfg.reads[0]?.hookName ?? ""),
    hf_hook_point_out: point(cfg.writes[0]?.hookName ?? ""),
    width: cfg.dSae,
    ...(cfg.modelName !== undefined && { model_name: cfg.modelName }),
    architecture: "jump_relu",
    ...(cfg.l0 !== undefined && { l0: cfg.l0 }),
    affine_connection: cfg.skip,
    type: kind,
  };
}

function circuitTracerConfig({ cfg }: SavedCoder): string {
  const lines = {
    ...(cfg.modelName !== undefined && { model_name: cfg.modelName }),
    model_kind: "cross_layer_transcoder",
    feature_input_hook: pointOf(cfg.reads[0]?.hookName ?? ""),
    feature_output_hook: pointOf(cfg.writes[0]?.hookName ?? ""),
  };
  // A JSON string is a YAML string.
  return Object.entries(lines)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join("");
}

/** A hook's name after `blocks.L.` */
function pointOf(hook: string): string {
  return hook.replace(/^blocks\.\d+\./, "");
}
