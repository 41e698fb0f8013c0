import zlib from "node:zlib";

/** Name → element type, shape and bytes. */
export type Tensors = Readonly<Record<string, readonly [dtype: string, shape: readonly number[]]>>;

const itemSizes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

const count = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** Small numbers, with which a model runs without overflow. */
export function values(shape: readonly number[]): Float32Array {
  return Float32Array.from({ length: count(shape) }, (_, i) => ((i * 7) % 13) / 64 - 0.1);
}

function bytesOf(dtype: string, shape: readonly number[]): Buffer {
  if (dtype === "F32") return Buffer.from(values(shape).buffer);
  return Buffer.alloc(count(shape) * (itemSizes[dtype] ?? 1));
}

/** A valid safetensors file. */
export function safetensors(tensors: Tensors, metadata?: Record<string, string>): Buffer {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  const bodies: Buffer[] = [];
  let at = 0;
  for (const [name, [dtype, shape]] of Object.entries(tensors)) {
    const body = bytesOf(dtype, shape);
    header[name] = { dtype, shape, data_offsets: [at, at + body.length] };
    bodies.push(body);
    at += body.length;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([prefix, padded, ...bodies]);
}

/** A valid .npy file of float32. */
export function npy(shape: readonly number[]): Buffer {
  const tuple = `(${shape.map((size) => `${size},`).join(" ")})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padded = `${text.padEnd(117)}\n`;
  const prefix = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  prefix.writeUInt16LE(padded.length, 8);
  return Buffer.concat([prefix, Buffer.from(padded, "latin1"), bytesOf("F32", shape)]);
}

/** A file in an archive. */
export interface Member {
  readonly name: string;
  readonly content: Buffer;
  readonly deflate: boolean;
}

/** A valid zip archive. */
export function archive(list: readonly Member[]): Buffer {
  const members: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name: text, content, deflate } of list) {
    const name = Buffer.from(text);
    const data = deflate ? zlib.deflateRawSync(content) : content;
    const fixed = Buffer.alloc(26);
    fixed.writeUInt16LE(20, 0);
    fixed.writeUInt16LE(deflate ? 8 : 0, 4);
    fixed.writeUInt32LE(zlib.crc32(content), 10);
    fixed.writeUInt32LE(data.length, 14);
    fixed.writeUInt32LE(content.length, 18);
    fixed.writeUInt16LE(name.length, 22);
    const member = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), fixed, name, data]);
    const offset = Buffer.alloc(14);
    offset.writeUInt32LE(at, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), fixed, offset, name);
    members.push(member);
    at += member.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...members, ...directory, end]);
}

/** A valid archive of arrays, stored or deflated. */
export function npz(shapes: Readonly<Record<string, readonly number[]>>, deflate = false): Buffer {
  const arrays = Object.entries(shapes);
  return archive(
    arrays.map(([name, shape]) => ({ name: `${name}.npy`, content: npy(shape), deflate })),
  );
}

const width = 8;
const head = 4;

/** A Gemma of one layer (`gemma3`: two, with query and key norms) in a few kilobytes. */
export function modelTensors(gemma3: boolean, prefix = "model."): Tensors {
  const tensors: Record<string, [string, number[]]> = {
    [`${prefix}embed_tokens.weight`]: ["F32", [16, width]],
    [`${prefix}norm.weight`]: ["F32", [width]],
  };
  for (let layer = 0; layer < (gemma3 ? 2 : 1); layer++) {
    const add = (name: string, ...shape: number[]): void => {
      tensors[`${prefix}layers.${layer}.${name}.weight`] = ["F32", shape];
    };
    add("self_attn.q_proj", 2 * head, width);
    add("self_attn.k_proj", head, width);
    add("self_attn.v_proj", head, width);
    add("self_attn.o_proj", width, 2 * head);
    if (gemma3) add("self_attn.q_norm", head);
    if (gemma3) add("self_attn.k_norm", head);
    add("mlp.gate_proj", 12, width);
    add("mlp.up_proj", 12, width);
    add("mlp.down_proj", width, 12);
    add("input_layernorm", width);
    add("post_attention_layernorm", width);
    add("pre_feedforward_layernorm", width);
    add("post_feedforward_layernorm", width);
  }
  return tensors;
}

/** The config.json of `modelTensors`, as transformers 4 (`older`) or 5 writes it. */
export function modelConfig(gemma3: boolean, older: boolean): Record<string, unknown> {
  const layers = gemma3 ? ["sliding_attention", "full_attention"] : ["sliding_attention"];
  const rope = { rope_type: "default", rope_theta: 10_000 };
  const newer = {
    layer_types: layers,
    rope_parameters: gemma3 ? { sliding_attention: rope, full_attention: rope } : rope,
    dtype: "float32",
  };
  return {
    architectures: [gemma3 ? "Gemma3ForCausalLM" : "Gemma2ForCausalLM"],
    model_type: gemma3 ? "gemma3_text" : "gemma2",
    vocab_size: 16,
    hidden_size: width,
    intermediate_size: 12,
    num_hidden_layers: layers.length,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: head,
    hidden_activation: "gelu_pytorch_tanh",
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    query_pre_attn_scalar: 8,
    sliding_window: 4,
    attention_bias: false,
    attn_logit_softcapping: gemma3 ? null : 50,
    final_logit_softcapping: gemma3 ? null : 30,
    tie_word_embeddings: true,
    bos_token_id: 2,
    eos_token_id: gemma3 ? [1, 3] : 1,
    pad_token_id: 0,
    ...(older ? { rope_theta: 10_000, rope_scaling: { rope_type: "linear", factor: 8 } } : newer),
    ...(older && gemma3 && { rope_local_base_freq: 10_000, sliding_window_pattern: 2 }),
  };
}
