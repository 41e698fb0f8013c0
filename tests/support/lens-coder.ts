import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tensor } from "../../lib/index.js";
import { device } from "./compare.js";
import { newFolder } from "./folder.js";
import { Random } from "./random.js";
import { f32, type Raw, writeRaw } from "./raw-checkpoint.js";

export const [dIn, dSae, rows] = [16, 24, 3];
export const hook = "blocks.2.hook_resid_post";
export const numbers = (count: number, seed: number, scale = 1) =>
  Float32Array.from(new Random(seed).normals(count), (value) => value * scale);
export const W = numbers(dIn * dSae, 1, 0.4);
export const D = numbers(dSae * dIn, 2);
export const bEnc = numbers(dSae, 3, 0.1);
export const bDec = numbers(dIn, 4, 2);
export const threshold = numbers(dSae, 5).map(Math.abs);
export const A = numbers(dIn * dIn, 6, 0.3);
export const x = numbers(rows * dIn, 7);

/** SAELens' JumpReLUSAE.encode (6.54) in float64; without thresholds, its StandardSAE's. */
export function encoded(subtract: boolean, thresholds = true): Float64Array {
  return Float64Array.from({ length: rows * dSae }, (_, i) => {
    const [row, feature] = [Math.floor(i / dSae), i % dSae];
    let pre = bEnc[feature] as number;
    for (let k = 0; k < dIn; k++) {
      const input = (x[row * dIn + k] as number) - (subtract ? (bDec[k] as number) : 0);
      pre += input * (W[k * dSae + feature] as number);
    }
    const least = thresholds ? Math.max(threshold[feature] as number, 0) : 0;
    return pre > least ? pre : 0;
  });
}

/** SAELens' decode, with W_skip @ x of JumpReLUSkipTranscoder. */
export function decoded(features: Float64Array, skip: boolean): Float64Array {
  return Float64Array.from({ length: rows * dIn }, (_, i) => {
    const [row, column] = [Math.floor(i / dIn), i % dIn];
    let sum = bDec[column] as number;
    for (let f = 0; f < dSae; f++) {
      sum += (features[row * dSae + f] as number) * (D[f * dIn + column] as number);
    }
    for (let k = 0; skip && k < dIn; k++) {
      sum += (A[column * dIn + k] as number) * (x[row * dIn + k] as number);
    }
    return sum;
  });
}

export const sound = {
  architecture: "jumprelu",
  d_in: dIn,
  d_sae: dSae,
  dtype: "float32",
  device: "cpu",
  apply_b_dec_to_input: true,
  normalize_activations: "none",
  reshape_activations: "none",
  metadata: { sae_lens_version: "6.54.12", hook_name: hook, model_name: "google/gemma-2-2b" },
};
export const parameters = (): Map<string, Raw> =>
  new Map([
    ["W_enc", f32(W, [dIn, dSae])],
    ["W_dec", f32(D, [dSae, dIn])],
    ["b_enc", f32(bEnc, [dSae])],
    ["b_dec", f32(bDec, [dIn])],
    ["threshold", f32(threshold, [dSae])],
  ]);

/** A folder as SAELens saves it, without keys that are undefined. */
export function saved(
  change: object = {},
  edit: (all: Map<string, Raw>) => void = () => {},
): string {
  const dir = newFolder();
  const tensors = parameters();
  edit(tensors);
  writeFileSync(join(dir, "cfg.json"), JSON.stringify({ ...sound, ...change }));
  writeRaw(join(dir, "sae_weights.safetensors"), tensors);
  return dir;
}

export const input = () => tensor(x, { shape: [rows, dIn], device: device as "cpu" });
