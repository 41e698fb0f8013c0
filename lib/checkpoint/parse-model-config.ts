import { printable, show } from "../errors/show-value.js";
import { checkTextConfig, type RopeEntry, type TextConfig } from "./config-schema.js";
import type { LayerConfig, ModelConfig } from "./model-config.js";
import { refuse, unsupported } from "./refuse.js";

type LayerType = "sliding_attention" | "full_attention";

/** The defaults of transformers (5.23) for keys that a published config.json omits. */
const shared = {
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  rms_norm_eps: 1e-6,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};
const families = {
  gemma2: {
    ...shared,
    modelType: "gemma2" as const,
    vocab_size: 256000,
    max_position_embeddings: 8192,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    pattern: 2,
    ropeTheta: { sliding_attention: 10_000, full_attention: 10_000 },
    qkNorm: false,
  },
  gemma3: {
    ...shared,
    modelType: "gemma3" as const,
    vocab_size: 262208,
    max_position_embeddings: 131072,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    pattern: 6,
    ropeTheta: { sliding_attention: 10_000, full_attention: 1_000_000 },
    qkNorm: true,
  },
};
type Family = (typeof families)["gemma2" | "gemma3"];

const dtypes = ["float32", "bfloat16", "float16"] as const;

/**
 * Parses a published config.json: `gemma2`, `gemma3_text`, and `gemma3` with its `text_config`, as
 * written by transformers 4 (`rope_theta`, `rope_local_base_freq`, `rope_scaling`,
 * `sliding_window_pattern`) and 5 (`layer_types`, `rope_parameters`). Omitted keys take transformers'
 * defaults for the family.
 *
 * @throws CHECKPOINT if a value is wrong; UNSUPPORTED if it is valid but gemlens does not run it (another
 *   architecture, activation or rope type, an attention bias); both name file and key
 */
export function parseModelConfig(json: unknown, file: string, modelName: string): ModelConfig {
  const outer = checkTextConfig(json, file);
  const type = outer["model_type"];
  if (type !== "gemma2" && type !== "gemma3_text" && type !== "gemma3") {
    return unsupported(file, "model_type", "gemma2, gemma3_text or gemma3", show(type));
  }
  const family = type === "gemma2" ? families.gemma2 : families.gemma3;
  // A gemma3 config contains its text model's config. Without one it is a text config with an older name.
  const inner = type === "gemma3" ? outer["text_config"] : undefined;
  if (inner === undefined) return build(outer, outer, family, file, modelName);
  const text = checkTextConfig(inner, file, "text_config.");
  const innerType = text["model_type"];
  if (innerType !== undefined && innerType !== "gemma3_text") {
    unsupported(file, "text_config.model_type", "gemma3_text", show(innerType));
  }
  return build(text, outer, family, file, modelName);
}

function build(
  text: TextConfig,
  outer: TextConfig,
  family: Family,
  file: string,
  modelName: string,
): ModelConfig {
  checkSupported(text, file);
  checkSupported(outer, file);
  const nHeads = text.num_attention_heads ?? family.num_attention_heads;
  const nKeyValueHeads = text.num_key_value_heads ?? family.num_key_value_heads;
  const dHead = text.head_dim ?? family.head_dim;
  if (nHeads % nKeyValueHeads !== 0) {
    refuse(file, "num_key_value_heads", `a divisor of ${nHeads}`, nKeyValueHeads);
  }
  if (dHead % 2 !== 0) refuse(file, "head_dim", "an even number", dHead);
  const dtype = text.dtype ?? text.torch_dtype ?? outer.dtype ?? outer.torch_dtype;
  return {
    modelType: family.modelType,
    modelName,
    nLayers: text.num_hidden_layers ?? family.num_hidden_layers,
    dModel: text.hidden_size ?? family.hidden_size,
    nHeads,
    nKeyValueHeads,
    dHead,
    dMlp: text.intermediate_size ?? family.intermediate_size,
    dVocab: text.vocab_size ?? family.vocab_size,
    nCtx: text.max_position_embeddings ?? family.max_position_embeddings,
    eps: text.rms_norm_eps ?? family.rms_norm_eps,
    attnScale: 1 / Math.sqrt(text.query_pre_attn_scalar ?? family.query_pre_attn_scalar),
    attnSoftcap: orDefault(text.attn_logit_softcapping, family.attn_logit_softcapping),
    finalSoftcap: orDefault(text.final_logit_softcapping, family.final_logit_softcapping),
    tieWordEmbeddings: outer.tie_word_embeddings ?? text.tie_word_embeddings ?? true,
    qkNorm: family.qkNorm,
    layers: layersOf(text, family, file),
    bosTokenId: orDefault(orDefault(outer.bos_token_id, text.bos_token_id), 2),
    eosTokenIds: [orDefault(orDefault(outer.eos_token_id, text.eos_token_id), 1) ?? []].flat(),
    padTokenId: orDefault(orDefault(outer.pad_token_id, text.pad_token_id), 0),
    fileDtype: dtypes.find((name) => name === dtype) ?? null,
  };
}

/** An omitted key takes the default; a null key means "none". */
function orDefault<A, B>(value: A | undefined, otherwise: B): A | B {
  return value === undefined ? otherwise : value;
}

function checkSupported(config: TextConfig, file: string): void {
  const activation = config.hidden_activation ?? "gelu_pytorch_tanh";
  if (activation !== "gelu_pytorch_tanh") {
    unsupported(file, "hidden_activation", '"gelu_pytorch_tanh"', show(activation));
  }
  // Without hidden_activation transformers takes this default and ignores hidden_act; the names that
  // early Gemma configs had for it are harmless.
  const older = config.hidden_activation === undefined ? config.hidden_act : undefined;
  if (older != null && !/^gelu(?:_new|_pytorch_tanh|_fast)?$/.test(older)) {
    unsupported(file, "hidden_act", '"gelu_pytorch_tanh"', show(older));
  }
  refusePartialRotation(config.partial_rotary_factor, file);
  if (config.attention_bias) unsupported(file, "attention_bias", "false", true);
  if (config.use_bidirectional_attention) {
    const got = show(config.use_bidirectional_attention);
    unsupported(file, "use_bidirectional_attention", "false (a causal model)", got);
  }
  for (const key of ["quantization_config", "quantization", "compression_config"] as const) {
    if (config[key] == null) continue;
    const got = `a quantised checkpoint (${methodOf(config[key])}): get the unquantised one`;
    unsupported(file, key, "unquantised weights", got);
  }
}

function methodOf(quantization: unknown): string {
  const { quant_method: method } = Object(quantization) as Record<string, unknown>;
  return typeof method === "string" ? printable(method, 40) : "of an unknown method";
}

function refusePartialRotation(factor: number | null | undefined, file: string): void {
  if (factor != null && factor !== 1) unsupported(file, "partial_rotary_factor", "1", factor);
}

function layersOf(text: TextConfig, family: Family, file: string): LayerConfig[] {
  const nLayers = text.num_hidden_layers ?? family.num_hidden_layers;
  const own = family.modelType === "gemma3";
  const pattern =
    (own ? (text.sliding_window_pattern ?? text._sliding_window_pattern) : null) ?? family.pattern;
  const types: readonly LayerType[] =
    text.layer_types ??
    Array.from({ length: nLayers }, (_, i) =>
      (i + 1) % pattern === 0 ? "full_attention" : "sliding_attention",
    );
  if (types.length !== nLayers) {
    refuse(file, "layer_types", `${nLayers} entries (num_hidden_layers)`, types.length);
  }
  const window = orDefault(text.sliding_window, family.sliding_window);
  if (window === null && types.includes("sliding_attention")) {
    refuse(file, "sliding_window", "a number (there are sliding layers)", null);
  }
  const kinds = {
    sliding_attention: { window, ...ropeOf("sliding_attention", text, family, file) },
    full_attention: { window: null, ...ropeOf("full_attention", text, family, file) },
  };
  return types.map((type) => kinds[type]);
}

function ropeOf(
  type: LayerType,
  text: TextConfig,
  family: Family,
  file: string,
): { ropeBase: number; ropeScale: number } {
  const base =
    type === "sliding_attention" && family.modelType === "gemma3"
      ? text.rope_local_base_freq
      : text.rope_theta;
  const entry = ropeEntry(type, text, family, file);
  const kind = entry.rope_type ?? entry.type ?? "default";
  if (kind !== "default" && kind !== "linear") {
    unsupported(file, "rope_type", '"default" or "linear"', show(kind));
  }
  refusePartialRotation(entry.partial_rotary_factor, file);
  if (entry.factor !== undefined && (entry.rope_type ?? entry.type) === undefined) {
    refuse(file, "rope_type", "a type beside the rope factor", "none");
  }
  if (kind === "linear" && entry.factor === undefined) {
    refuse(file, "rope factor", "a number (rope_type is linear)", "none");
  }
  return {
    ropeBase: entry.rope_theta ?? base ?? family.ropeTheta[type],
    ropeScale: kind === "linear" ? (entry.factor ?? 1) : 1,
  };
}

/** Gemma 3's rope_scaling applies only to global layers, Gemma 2's to all layers. */
function ropeEntry(type: LayerType, text: TextConfig, family: Family, file: string): RopeEntry {
  const { rope_parameters: parameters, rope_scaling: scaling } = text;
  const nested =
    parameters?.full_attention !== undefined || parameters?.sliding_attention !== undefined;
  if (family.modelType === "gemma2") {
    return scaling ?? (nested ? parameters?.[type] : parameters) ?? {};
  }
  if (parameters && !nested && Object.keys(parameters).length > 0) {
    refuse(file, "rope_parameters", "sliding_attention and full_attention", show(parameters));
  }
  const own = parameters?.[type] ?? {};
  return type === "full_attention" && scaling ? { ...own, ...scaling } : own;
}
