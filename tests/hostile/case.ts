import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCoderFile, openModelFolder, openNpz, readSafetensorsHeader } from "../../lib/index.js";
import { modelConfig, modelTensors, npz, safetensors, type Tensors } from "../fuzz/tiny-files.js";

/** A file that must be refused, with its maker and the words that the refusal must contain. */
export interface HostileCase {
  readonly name: string;
  /** Writes the input into an empty folder. */
  readonly write: (folder: string) => void;
  readonly open: (folder: string) => unknown;
  readonly code: "CHECKPOINT" | "TOKENIZER";
  /** The file that the message names; "" is the folder itself. */
  readonly file: string;
  readonly field: string;
}

export const weights = "model.safetensors";
export const params = "params.npz";
export const params2 = "params.safetensors";

export const put = (name: string, bytes: Buffer | string) => (folder: string) =>
  writeFileSync(join(folder, name), bytes);

/** A named pipe: opening it for reading blocks for ever. */
export const pipe = (name: string) => (folder: string) =>
  void execFileSync("mkfifo", [join(folder, name)]);

export const both =
  (...writes: ((folder: string) => void)[]) =>
  (folder: string): void => {
    for (const write of writes) write(folder);
  };

export const openWeights = (folder: string) => readSafetensorsHeader(join(folder, weights));
export const openArchive = (folder: string) => openNpz(join(folder, params));
export const openCoder = (folder: string) => openCoderFile(folder);
export const openModel = (folder: string) => openModelFolder(folder);

/** A safetensors file with this header text; `length` overrides the header length. */
export function headed(header: string, dataBytes = 0, length?: bigint): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]);
}

/** A valid model folder, then `change` of its files. */
export function model(change: (folder: string) => void): (folder: string) => void {
  return both(
    put("config.json", JSON.stringify(modelConfig(false, false))),
    put(weights, safetensors(modelTensors(false))),
    change,
  );
}

/** The valid config.json of `model` with these keys changed. */
export const config = (keys: Record<string, unknown>): string =>
  JSON.stringify({ ...modelConfig(false, false), ...keys });

export const coderShapes = { W_enc: [4, 6], W_dec: [6, 4], b_enc: [6], b_dec: [4], threshold: [6] };
export const soundArchive = npz(coderShapes);

export const coderTensors = Object.fromEntries(
  Object.entries(coderShapes).map(([name, shape]) => [name.toLowerCase(), ["F32", shape]]),
) as unknown as Tensors;
export const soundParams2 = safetensors(coderTensors);

const coderConfig = {
  hf_hook_point_in: "model.layers.2.output",
  width: 6,
  model_name: "gemma-v3-1b-pt",
  architecture: "jump_relu",
  l0: 8,
  affine_connection: false,
  type: "sae",
};

/** A Gemma Scope 2 folder whose config.json is this text, or has these keys changed. */
export function coder2(change: string | Record<string, unknown>): (folder: string) => void {
  const text = typeof change === "string" ? change : JSON.stringify({ ...coderConfig, ...change });
  return both(put(params2, soundParams2), put("config.json", text));
}
