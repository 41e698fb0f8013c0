import type { ModelConfig } from "../checkpoint/model-config.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import type { ModelHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { tidy } from "../native/scope.js";
import { adopt, handleOf } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";

/** A weight: the checkpoint's tensor, and its conversion to TransformerLens' shape. */
interface Weight {
  readonly source: string;
  readonly shape: (stored: Tensor, cfg: ModelConfig) => Tensor;
}

const asStored = (stored: Tensor) => stored;
/** Adds 1 to a norm's stored gain, in the type in which the model uses it. */
const gain = (stored: Tensor) =>
  stored.to(stored.dtype === "float64" ? "float64" : "float32").add(1);
const transposed = (stored: Tensor) => stored.transpose(0, 1);

/** [heads · d_head, d_model] → [heads, d_model, d_head]. */
const perHead = (stored: Tensor, cfg: ModelConfig) =>
  stored.reshape([-1, cfg.dHead, cfg.dModel]).transpose(1, 2);

/** The stored key/value heads, each repeated for the query heads that read it. */
const repeated = (stored: Tensor, cfg: ModelConfig) => {
  const { nHeads, nKeyValueHeads, dModel, dHead } = cfg;
  const heads = perHead(stored, cfg).unsqueeze(1);
  const groups = heads.expand([nKeyValueHeads, nHeads / nKeyValueHeads, dModel, dHead]);
  return groups.reshape([nHeads, dModel, dHead]);
};

/** [d_model, heads · d_head] → [heads, d_head, d_model]. */
const output = (stored: Tensor, cfg: ModelConfig) =>
  stored.reshape([cfg.dModel, cfg.nHeads, cfg.dHead]).permute([1, 2, 0]);

const blockWeights: Readonly<Record<string, Weight>> = {
  "attn.W_Q": { source: "self_attn.q_proj", shape: perHead },
  "attn.W_K": { source: "self_attn.k_proj", shape: repeated },
  "attn.W_V": { source: "self_attn.v_proj", shape: repeated },
  "attn._W_K": { source: "self_attn.k_proj", shape: perHead },
  "attn._W_V": { source: "self_attn.v_proj", shape: perHead },
  "attn.W_O": { source: "self_attn.o_proj", shape: output },
  "mlp.W_gate": { source: "mlp.gate_proj", shape: transposed },
  "mlp.W_in": { source: "mlp.up_proj", shape: transposed },
  "mlp.W_out": { source: "mlp.down_proj", shape: transposed },
  "ln1.w": { source: "input_layernorm", shape: gain },
  "ln1_post.w": { source: "post_attention_layernorm", shape: gain },
  "ln2.w": { source: "pre_feedforward_layernorm", shape: gain },
  "ln2_post.w": { source: "post_feedforward_layernorm", shape: gain },
};

const qkNormWeights: Readonly<Record<string, Weight>> = {
  "attn.q_norm.w": { source: "self_attn.q_norm", shape: gain },
  "attn.k_norm.w": { source: "self_attn.k_norm", shape: gain },
};

const globalWeights: Readonly<Record<string, Weight>> = {
  "embed.W_E": { source: "embed_tokens", shape: asStored },
  "unembed.W_U": { source: "lm_head", shape: transposed },
  "ln_final.w": { source: "norm", shape: gain },
  W_E: { source: "embed_tokens", shape: asStored },
  W_U: { source: "lm_head", shape: transposed },
};

/**
 * A read-only view of a weight by TransformerLens' name and shape. Only the norms' gains, and `W_K`
 * and `W_V` of a model with shared key-value heads, are copies.
 *
 * @throws NOT_FOUND if there is no such weight, with the known names
 */
export function weight(model: ModelHandle, cfg: ModelConfig, name: string): Tensor {
  const { source, shape } = find(name, cfg);
  return tidy(() => {
    const stored = adopt(call("weight", (addon) => addon.modelParameter(model, source)));
    const view = shape(stored, cfg);
    call("weight", (addon) => addon.tensorFreeze(handleOf(view, "weight")));
    return view;
  });
}

function find(name: string, cfg: ModelConfig): Weight {
  if (Object.hasOwn(globalWeights, name)) return globalWeights[name] as Weight;
  const perBlock = cfg.qkNorm ? { ...blockWeights, ...qkNormWeights } : blockWeights;
  const { layer, point: part } = parseHookName(String(name));
  if (layer !== null && layer < cfg.nLayers && Object.hasOwn(perBlock, part)) {
    const found = perBlock[part] as Weight;
    return { ...found, source: `layers.${layer}.${found.source}` };
  }
  const known = [
    ...Object.keys(globalWeights),
    ...Object.keys(perBlock).map((key) => `blocks.{0…${cfg.nLayers - 1}}.${key}`),
  ];
  throw new GemlensError(
    "NOT_FOUND",
    sentence("weight", `one of ${known.join(", ")}`, null, JSON.stringify(name)),
    { name, known },
  );
}
