import { writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { randomFiller } from "./random-values.js";
import { temporaryFolder } from "./temporary.js";

export interface ModelShape {
  readonly type: "gemma2" | "gemma3_text";
  readonly layers: number;
  readonly dModel: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly dHead: number;
  readonly dMlp: number;
  readonly dVocab: number;
}

/** gemma-2-2b's layers, but fewer, and a small vocabulary. */
export const gemma2b: ModelShape = {
  type: "gemma2",
  layers: 4,
  dModel: 2304,
  heads: 8,
  kvHeads: 4,
  dHead: 256,
  dMlp: 9216,
  dVocab: 8192,
};

/**
 * A folder with a random checkpoint under `parent`, until `remove()`. Weights have the size of
 * trained ones (1/√fan-in), so that nothing overflows.
 */
export async function randomModel(
  shape: ModelShape,
  { dtype = "F32", parent }: { dtype?: RandomDtype; parent?: string } = {},
): Promise<{ folder: string; remove(): void }> {
  const { folder, remove } = temporaryFolder(parent);
  // transformers requires its soft caps as floats, 30.0.
  const text = JSON.stringify(config(shape)).replace(/(softcapping":\d+)/g, "$1.0");
  writeFileSync(join(folder, "config.json"), text);
  await writeSafetensors(join(folder, "model.safetensors"), tensorShapes(shape), dtype);
  return { folder, remove };
}

function config(shape: ModelShape): Record<string, unknown> {
  const architecture = shape.type === "gemma2" ? "Gemma2ForCausalLM" : "Gemma3ForCausalLM";
  const common = {
    architectures: [architecture],
    model_type: shape.type,
    num_hidden_layers: shape.layers,
    hidden_size: shape.dModel,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.dHead,
    intermediate_size: shape.dMlp,
    vocab_size: shape.dVocab,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-6,
    query_pre_attn_scalar: 256,
    hidden_activation: "gelu_pytorch_tanh",
    bos_token_id: 2,
    eos_token_id: 1,
    pad_token_id: 0,
  };
  if (shape.type === "gemma2") {
    const caps = { attn_logit_softcapping: 50, final_logit_softcapping: 30 };
    return { ...common, ...caps, rope_theta: 10000, sliding_window: 4096 };
  }
  const local = { rope_local_base_freq: 10000, sliding_window: 512, sliding_window_pattern: 6 };
  return { ...common, ...local, rope_theta: 1000000 };
}

function tensorShapes(s: ModelShape): TensorPlan[] {
  const out: TensorPlan[] = [
    ["model.embed_tokens.weight", [s.dVocab, s.dModel]],
    ["model.norm.weight", [s.dModel]],
  ];
  for (let i = 0; i < s.layers; i++) {
    const at = `model.layers.${i}.`;
    out.push([`${at}self_attn.q_proj.weight`, [s.heads * s.dHead, s.dModel]]);
    out.push([`${at}self_attn.k_proj.weight`, [s.kvHeads * s.dHead, s.dModel]]);
    out.push([`${at}self_attn.v_proj.weight`, [s.kvHeads * s.dHead, s.dModel]]);
    out.push([`${at}self_attn.o_proj.weight`, [s.dModel, s.heads * s.dHead]]);
    out.push([`${at}mlp.gate_proj.weight`, [s.dMlp, s.dModel]]);
    out.push([`${at}mlp.up_proj.weight`, [s.dMlp, s.dModel]]);
    out.push([`${at}mlp.down_proj.weight`, [s.dModel, s.dMlp]]);
    if (s.type === "gemma3_text") {
      out.push([`${at}self_attn.q_norm.weight`, [s.dHead]]);
      out.push([`${at}self_attn.k_norm.weight`, [s.dHead]]);
    }
    for (const norm of [
      "input_layernorm",
      "post_attention_layernorm",
      "pre_feedforward_layernorm",
      "post_feedforward_layernorm",
    ]) {
      out.push([`${at}${norm}.weight`, [s.dModel]]);
    }
  }
  return out;
}

/** The matrices [out, in] that a forward multiplies with, unembedding included. */
export function matrixShapes(shape: ModelShape): (readonly number[])[] {
  return tensorShapes(shape)
    .map(([, sizes]) => sizes)
    .filter(({ length }) => length === 2);
}

/** Name, shape, and the value of every element; random if missing. */
export type TensorPlan = readonly [name: string, shape: readonly number[], value?: number];

export type RandomDtype = "F32" | "BF16";

// Writes values in pieces: the embedding of the largest vocabulary is 2.4 GB of float32.
const piece = 1 << 20;

/** Writes a safetensors file of random values, always the same ones, piece by piece. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorPlan[],
  dtype: RandomDtype = "F32",
): Promise<void> {
  const fill = randomFiller(1);
  const bytes = dtype === "F32" ? 4 : 2;
  let offset = 0;
  const entries = tensors.map(([name, shape]) => {
    const begin = offset;
    offset += bytes * sizeOf(shape);
    return [name, { dtype, shape, data_offsets: [begin, offset] }] as const;
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  const file = await open(path, "w");
  try {
    await file.write(size);
    await file.write(header);
    for (const [, shape, value] of tensors) {
      // 1/√fan-in
      const deviation = 1 / Math.sqrt(shape.at(-1) as number);
      for (let left = sizeOf(shape); left > 0; left -= piece) {
        const values = new Float32Array(Math.min(left, piece));
        if (value === undefined) fill(values, deviation);
        else values.fill(value);
        const stored = dtype === "F32" ? values : toBfloat16(values);
        await file.write(Buffer.from(stored.buffer));
      }
    }
  } finally {
    await file.close();
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The upper halves: truncated, not rounded. */
function toBfloat16(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.buffer);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = halves[2 * i + 1] as number;
  return out;
}
