import { join } from "node:path";
import { Zip, ZipPassThrough } from "fflate";
import { appendBytes, writeAtomically } from "../checkpoint/atomic-file.js";
import { type SafetensorsEntry, writeSafetensors } from "../checkpoint/safetensors-writer.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import type { Tensor } from "../tensor/tensor.js";
import type { SingleSiteConfig } from "./coder-config.js";

type Parameter = "W_enc" | "W_dec" | "b_enc" | "b_dec" | "threshold" | "skip";
type Read = (name: Parameter) => Tensor;

const names = ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"] as const;
const piece = 8 * 1024 * 1024;

/** Options for `save` of a coder. */
export interface SaveOptions {
  /**
   * "gemma-scope" (default): an .npz or a Gemma Scope 2 folder; "sae-lens": SAELens' folder of
   * cfg.json and sae_weights.safetensors, the only format that stores `applyBDecToInput`.
   */
  readonly format?: "gemma-scope" | "sae-lens" | undefined;
}

const subtracts = "an encoder that subtracts b_dec from its input has no place in this format";
const lensRemedy = 'save it with { format: "sae-lens" }';

/** Writes a coder in float32; {@link SingleSiteCoder.save} documents the formats. */
export async function saveCoder(
  path: string,
  cfg: SingleSiteConfig,
  read: Read,
  options: SaveOptions,
): Promise<void> {
  checkOptions("save", options, ["format"]);
  const { format = "gemma-scope" } = options;
  if (format !== "gemma-scope" && format !== "sae-lens") {
    throw argument("save", '"gemma-scope" or "sae-lens"', "format", JSON.stringify(format));
  }
  if (typeof path !== "string" || path === "") {
    throw argument("save", "a file or folder name", "path", JSON.stringify(path));
  }
  if (format === "sae-lens") {
    if (/\.(?:npz|safetensors)$/.test(path)) {
      throw argument("save", "a folder's name for the sae-lens format", "path", path);
    }
    return saveSaeLens(path, cfg, read);
  }
  if (path.endsWith(".npz")) return saveNpz(path, cfg, read);
  return saveFolder(path, cfg, read);
}

async function saveNpz(path: string, cfg: SingleSiteConfig, read: Read): Promise<void> {
  if (cfg.applyBDecToInput) refuse(`${subtracts}; ${lensRemedy}`);
  if (cfg.skip) refuse("the skip connection has no place in an .npz; save to a folder instead");
  // The writer does not support zip64, which the widest published SAEs would need.
  if (4 * cfg.dSae * Math.max(cfg.dIn, cfg.dOut) * 2 >= 2 ** 32) {
    refuse("an .npz of 4 GiB or more is not written; save to a folder instead");
  }
  await writeAtomically(path, async (file) => {
    const chunks: Uint8Array[] = [];
    let failure: Error | null = null;
    const zip = new Zip((error, chunk) => {
      failure ??= error;
      chunks.push(chunk);
    });
    const drain = async () => {
      if (failure) throw failure;
      for (const chunk of chunks.splice(0)) await appendBytes(file, chunk);
    };
    for (const name of names) {
      const entry = new ZipPassThrough(`${name}.npy`);
      zip.add(entry);
      const tensor = read(name);
      entry.push(npyHeader(tensor.shape));
      const bytes = await bytesOf(tensor, scaleOf(name, cfg));
      for (let at = 0; at < bytes.length; at += piece) {
        entry.push(bytes.subarray(at, at + piece));
        await drain();
      }
      entry.push(new Uint8Array(0), true);
    }
    zip.end();
    await drain();
  });
}

/** A header of NumPy's format 1.0, C order, padded so that the data begins at a multiple of 64. */
function npyHeader(shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, " ");
  header.set([0x93, ...Buffer.from("NUMPY"), 1, 0]);
  header.writeUInt16LE(length, 8);
  header.write(text, 10, "latin1");
  header[9 + length] = 0x0a;
  return header;
}

async function saveFolder(path: string, cfg: SingleSiteConfig, read: Read): Promise<void> {
  if (cfg.applyBDecToInput) refuse(`${subtracts}; ${lensRemedy}`);
  const config = {
    hf_hook_point_in: hfHook(cfg.hookName),
    hf_hook_point_out: hfHook(cfg.hookNameOut),
    width: cfg.dSae,
    ...(cfg.modelName !== undefined && { model_name: cfg.modelName }),
    architecture: "jump_relu",
    ...(cfg.l0 !== undefined && { l0: cfg.l0 }),
    affine_connection: cfg.skip,
    type: cfg.hookName === cfg.hookNameOut ? "sae" : "transcoder",
  };
  const tensors: [string, Tensor][] = names.map((name) => [name.toLowerCase(), read(name)]);
  if (cfg.skip) tensors.push(["affine_skip_connection", read("skip")]);
  await writeSafetensors(join(path, "params.safetensors"), inFloat32(tensors));
  await writeJson(join(path, "config.json"), config);
}

/** Writes the folder that SAELens 6 writes for an inference coder. */
async function saveSaeLens(path: string, cfg: SingleSiteConfig, read: Read): Promise<void> {
  const transcodes = cfg.hookName !== cfg.hookNameOut;
  if (cfg.skip && !transcodes) refuse("SAELens has no SAE with a skip connection");
  const isRelu = cfg.architecture === "relu";
  const config = {
    d_in: cfg.dIn,
    d_sae: cfg.dSae,
    ...(transcodes && { d_out: cfg.dOut }),
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: cfg.applyBDecToInput,
    normalize_activations: "none",
    reshape_activations: cfg.hookName.endsWith("hook_z") ? "hook_z" : "none",
    metadata: {
      sae_lens_version: "6.0.0", // of the format
      hook_name: cfg.hookName,
      ...(transcodes && { hook_name_out: cfg.hookNameOut }),
      ...(cfg.modelName !== undefined && { model_name: cfg.modelName }),
    },
    architecture: lensArchitecture(isRelu, transcodes, cfg.skip),
  };
  const kept = names.filter((name) => name !== "threshold" || !isRelu);
  const tensors: [string, Tensor][] = kept.map((name) => [name, read(name)]);
  using skip = cfg.skip ? read("skip").transpose(0, 1) : undefined;
  if (skip) tensors.push(["W_skip", skip]);
  await writeSafetensors(join(path, "sae_weights.safetensors"), inFloat32(tensors));
  await writeJson(join(path, "cfg.json"), config);
}

function lensArchitecture(isRelu: boolean, transcodes: boolean, skip: boolean): string {
  if (!transcodes) return isRelu ? "standard" : "jumprelu";
  return `${isRelu ? "" : "jumprelu_"}${skip ? "skip_" : ""}transcoder`;
}

function inFloat32(tensors: readonly [string, Tensor][]): SafetensorsEntry[] {
  return tensors.map(([name, tensor]) => ({
    name,
    dtype: "float32",
    shape: tensor.shape,
    bytes: () => bytesOf(tensor, 1),
  }));
}

async function writeJson(path: string, json: object): Promise<void> {
  await writeAtomically(path, (file) =>
    appendBytes(file, Buffer.from(`${JSON.stringify(json, null, 2)}\n`)),
  );
}

/** The Hugging Face module path that Gemma Scope 2 uses for a hook. */
function hfHook(hook: string): string {
  const { layer, point } = parseHookName(hook);
  const module = modules[point];
  if (layer === null || module === undefined) {
    return refuse(`Gemma Scope 2 has no name for ${hook}; save to an .npz instead`);
  }
  return `model.layers.${layer}.${module}`;
}

const modules: Readonly<Record<string, string>> = {
  hook_resid_post: "output",
  "attn.hook_z": "self_attn.o_proj.input",
  hook_mlp_out: "post_feedforward_layernorm.output",
  "mlp.hook_in": "pre_feedforward_layernorm.output",
};

/** Gemma Scope's embedding coders are for embeddings before the factor √d_model. */
function scaleOf(name: Parameter, cfg: SingleSiteConfig): number {
  if (cfg.hookName !== "hook_embed") return 1;
  if (name === "W_enc") return Math.sqrt(cfg.dIn);
  return name === "W_dec" ? 1 / Math.sqrt(cfg.dIn) : 1;
}

async function bytesOf(tensor: Tensor, scale: number): Promise<Uint8Array> {
  const values = (await tensor.read()) as Float32Array;
  if (scale !== 1) for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * scale;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function refuse(reason: string): never {
  throw new GemlensError("UNSUPPORTED", `save: ${reason}`, { reason });
}
