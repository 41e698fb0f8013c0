// Coders of several layers at their published sizes, in sparse files: zeros that take no disk, a bias
// that makes some features of each encoder fire, and decoder rows with values at known places.
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** A published coder of several layers. */
export interface SparseCoder {
  readonly format: "gemma-scope-2" | "circuit-tracer";
  readonly kind: "clt" | "crosscoder";
  /** The model's layers that it reads. */
  readonly layers: readonly number[];
  readonly width: number;
  /** Of each encoder. */
  readonly features: number;
  readonly skip: boolean;
  /** Bytes of a number. */
  readonly dtype: "F32" | "BF16";
}

/** The number of features of each encoder that fire, all with the activation 1. */
export const active = 100;

/** The value of W_dec[feature] at a site, the same in all dimensions; 0 but for the last active one. */
export function decoderValue(coder: SparseCoder, encoder: number, feature: number, site: number) {
  const hasValues = feature === lastActive(coder) && site >= encoder;
  return hasValues ? (encoder + 1) / 8 + site / 1024 : 0;
}

/** The id in its encoder of the last feature that fires. */
export function lastActive({ features }: SparseCoder): number {
  return (active - 1) * Math.floor(features / active);
}

/** Writes the folder. */
export function writeSparseCoder(folder: string, coder: SparseCoder): void {
  mkdirSync(folder, { recursive: true });
  const { format, layers, width, features, skip } = coder;
  const count = layers.length;
  writeConfig(folder, coder);
  for (let i = 0; i < count; i++) {
    const isPublished = format === "gemma-scope-2";
    const name = (lower: string, upper: string) => (isPublished ? lower : `${upper}_${i}`);
    const encoder: [string, number[]][] = [
      [name("w_enc", "W_enc"), isPublished ? [width, features] : [features, width]],
      [name("b_enc", "b_enc"), [features]],
      [name("b_dec", "b_dec"), [width]],
      ...(isPublished ? ([["threshold", [features]]] as [string, number[]][]) : []),
      ...(skip ? ([["affine_skip_connection", [width, width]]] as [string, number[]][]) : []),
    ];
    const first = isPublished ? 0 : i;
    const decoder: [string, number[]][] = [
      [name("w_dec", "W_dec"), [features, count - first, width]],
    ];
    const files = isPublished
      ? [{ file: `params_layer_${i}.safetensors`, tensors: [...encoder, ...decoder] }]
      : [
          { file: `W_enc_${i}.safetensors`, tensors: encoder },
          { file: `W_dec_${i}.safetensors`, tensors: decoder },
        ];
    for (const { file, tensors } of files) {
      writeSparse(join(folder, file), coder, tensors, (tensor, put) => {
        if (/^b_enc/.test(tensor)) {
          const step = Math.floor(features / active);
          for (let k = 0; k < active; k++) put(k * step, 1, 1);
        }
        if (/^w_dec/i.test(tensor)) {
          const feature = lastActive(coder);
          for (let site = i; site < count; site++) {
            const row = feature * (count - first) + site - first;
            put(row * width, width, decoderValue(coder, i, feature, site));
          }
        }
      });
    }
  }
}

function writeConfig(folder: string, { format, kind, layers, features, skip }: SparseCoder): void {
  if (format === "circuit-tracer") {
    const lines = [
      'model_name: "google/gemma-2-2b"',
      'model_kind: "cross_layer_transcoder"',
      'feature_input_hook: "hook_resid_mid"',
      'feature_output_hook: "hook_mlp_out"',
    ];
    writeFileSync(join(folder, "config.yaml"), `${lines.join("\n")}\n`);
    return;
  }
  const isClt = kind === "clt";
  const at = `model.layers.{${isClt ? "all" : layers.join(",")}}`;
  const config = {
    hf_hook_point_in: isClt ? `${at}.pre_feedforward_layernorm.output` : `${at}.output`,
    hf_hook_point_out: isClt ? `${at}.post_feedforward_layernorm.output` : `${at}.output`,
    width: features * layers.length,
    model_name: "google/gemma-3-1b-it",
    architecture: "jump_relu",
    affine_connection: skip,
    type: kind,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

function writeSparse(
  file: string,
  { dtype }: SparseCoder,
  tensors: readonly (readonly [string, readonly number[]])[],
  fill: (name: string, put: (at: number, count: number, value: number) => void) => void,
): void {
  const size = dtype === "F32" ? 4 : 2;
  let end = 0;
  const spans = tensors.map(([name, shape]) => {
    const begin = end;
    end += size * shape.reduce((product, extent) => product * extent, 1);
    return { name, shape, begin, end };
  });
  const header = Object.fromEntries(
    spans.map(({ name, shape, begin, end: stop }) => [
      name,
      { dtype, shape, data_offsets: [begin, stop] },
    ]),
  );
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const fd = openSync(file, "w");
  try {
    writeSync(fd, Buffer.concat([length, padded]));
    ftruncateSync(fd, 8 + padded.length + end);
    for (const { name, begin } of spans) {
      fill(name, (at, count, value) => {
        const place = 8 + padded.length + begin + at * size;
        writeSync(fd, bytesOf(value, count, size), 0, count * size, place);
      });
    }
  } finally {
    closeSync(fd);
  }
}

/** Little-endian; of bfloat16 the upper half of a float32, exact for the few bits that are used. */
function bytesOf(value: number, count: number, size: number): Uint8Array {
  const floats = Buffer.from(new Float32Array(count).fill(value).buffer);
  if (size === 4) return floats;
  const out = Buffer.alloc(count * 2);
  for (let i = 0; i < count; i++) floats.copy(out, 2 * i, 4 * i + 2, 4 * i + 4);
  return out;
}
