import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "../../lib/index.js";
import { fixture } from "./fixtures.js";

const width = 640;

/**
 * Writes a Gemma 2 checkpoint whose next token is a function of the last one: along `text` token by
 * token, then its end token; every other token repeats itself. Embeddings are one-hot, attention is
 * zero, and neuron t of the MLP turns token t of the chain into the next. No token of `text` may
 * occur twice. Returns the ids of the chain, end token included.
 */
export function writeChainModel(folder: string, text: string): number[] {
  mkdirSync(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
    cpSync(fixture(`tokenizer/${name}`), join(folder, name));
  }
  const tokenizer = Tokenizer.fromFolder(folder);
  const chain = [...tokenizer.encode(text, { prependBos: false }), 1];
  if (new Set(chain).size !== chain.length) throw new Error(`${text}: a token occurs twice`);
  const neurons = chain.length;
  const vocabulary = tokenizer.vocabSize;
  const embedding = matrix(vocabulary, width, (row, column) => (row === column ? 1 : 0));
  const reads = matrix(neurons, width, (neuron, column) => (column === chain[neuron] ? 1 : 0));
  const writes = matrix(width, neurons, (row, neuron) => {
    const next = chain[neuron + 1];
    if (next === undefined) return 0;
    return row === next ? 1 : row === chain[neuron] ? -1 : 0;
  });
  const zero = matrix(width, width, () => 0);
  const gain = (value: number) => ({
    shape: [width],
    data: new Float32Array(width).fill(value - 1),
  });
  const layer = "model.layers.0.";
  write(join(folder, "model.safetensors"), {
    "model.embed_tokens.weight": embedding,
    [`${layer}input_layernorm.weight`]: gain(1),
    [`${layer}self_attn.q_proj.weight`]: zero,
    [`${layer}self_attn.k_proj.weight`]: zero,
    [`${layer}self_attn.v_proj.weight`]: zero,
    [`${layer}self_attn.o_proj.weight`]: zero,
    [`${layer}post_attention_layernorm.weight`]: gain(1),
    [`${layer}pre_feedforward_layernorm.weight`]: gain(1),
    [`${layer}mlp.gate_proj.weight`]: reads,
    [`${layer}mlp.up_proj.weight`]: reads,
    [`${layer}mlp.down_proj.weight`]: writes,
    [`${layer}post_feedforward_layernorm.weight`]: gain(10),
    "model.norm.weight": gain(1),
  });
  const config = {
    model_type: "gemma2",
    hidden_size: width,
    intermediate_size: neurons,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: width / 4,
    vocab_size: vocabulary,
    max_position_embeddings: 64,
    torch_dtype: "float32",
    bos_token_id: 2,
    eos_token_id: 1,
    pad_token_id: 0,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return chain;
}

interface Matrix {
  shape: number[];
  data: Float32Array;
}

function matrix(
  rows: number,
  columns: number,
  value: (row: number, column: number) => number,
): Matrix {
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = value(Math.floor(i / columns), i % columns);
  return { shape: [rows, columns], data };
}

function write(path: string, tensors: Record<string, Matrix>): void {
  let offset = 0;
  const header = Object.entries(tensors).map(([name, { shape, data }]) => {
    const begin = offset;
    offset += data.byteLength;
    return [name, { dtype: "F32", shape, data_offsets: [begin, offset] }];
  });
  const text = JSON.stringify(Object.fromEntries(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bodies = Object.values(tensors).map(({ data }) => new Uint8Array(data.buffer));
  writeFileSync(path, Buffer.concat([length, Buffer.from(text), ...bodies]));
}
