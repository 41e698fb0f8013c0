import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface ModelShape {
  readonly layers: number;
  readonly dModel: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly dHead: number;
  readonly dMlp: number;
  readonly dVocab: number;
}

/** gemma-2-2b's layers, few of them and a small vocabulary. */
export const gemma2b: ModelShape = {
  layers: 4,
  dModel: 2304,
  heads: 8,
  kvHeads: 4,
  dHead: 256,
  dMlp: 9216,
  dVocab: 8192,
};

/**
 * A folder with a random Gemma 2 checkpoint in float32, written once per process and removed at
 * `remove()`. Weights have the size of trained ones (1/√fan-in), so that nothing overflows.
 */
export async function randomModel(shape: ModelShape): Promise<{ folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), "gemlens-bench-"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config(shape)));
  const tensors = tensorShapes(shape).map(
    ([name, sizes]): TensorPlan => [name, sizes, () => randomTensor(sizes)],
  );
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

function config(shape: ModelShape): Record<string, unknown> {
  return {
    model_type: "gemma2",
    num_hidden_layers: shape.layers,
    hidden_size: shape.dModel,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.dHead,
    intermediate_size: shape.dMlp,
    vocab_size: shape.dVocab,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    hidden_activation: "gelu_pytorch_tanh",
    bos_token_id: 2,
    eos_token_id: 1,
    pad_token_id: 0,
  };
}

function tensorShapes(s: ModelShape): [string, number[]][] {
  const out: [string, number[]][] = [
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

/** Name, shape, and what makes the values: one tensor is in memory at a time. */
export type TensorPlan = readonly [name: string, shape: readonly number[], () => Float32Array];

/** Writes a float32 safetensors file. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorPlan[],
): Promise<void> {
  let offset = 0;
  const entries = tensors.map(([name, shape]) => {
    const begin = offset;
    offset += 4 * shape.reduce((a, b) => a * b, 1);
    return [name, { dtype: "F32", shape, data_offsets: [begin, offset] }] as const;
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  const file = await open(path, "w");
  try {
    await file.write(size);
    await file.write(header);
    for (const [, , values] of tensors) await file.write(Buffer.from(values().buffer));
  } finally {
    await file.close();
  }
}

let state = 1;

/** Uniform with standard deviation 1/√fan-in; a repeated block of random numbers is random enough. */
export function randomTensor(shape: readonly number[]): Float32Array {
  const scale = Math.sqrt(3 / (shape.at(-1) as number));
  const block = Float32Array.from({ length: 65537 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let at = 0; at < out.length; at += block.length) {
    out.set(block.subarray(0, Math.min(block.length, out.length - at)), at);
  }
  return out;
}
