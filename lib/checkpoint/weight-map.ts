import type { ModelConfig } from "./model-config.js";

/**
 * Every tensor of a text model with this configuration: our neutral name → the exact shape in the
 * published (row-major, [out, in]) layout.
 */
export function expectedShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { dModel, dMlp, dHead } = config;
  const query = config.nHeads * dHead;
  const keyValue = config.nKeyValueHeads * dHead;
  const perLayer: [string, readonly number[]][] = [
    ["input_layernorm", [dModel]],
    ["self_attn.q_proj", [query, dModel]],
    ["self_attn.k_proj", [keyValue, dModel]],
    ["self_attn.v_proj", [keyValue, dModel]],
    ["self_attn.o_proj", [dModel, query]],
    ["post_attention_layernorm", [dModel]],
    ["pre_feedforward_layernorm", [dModel]],
    ["mlp.gate_proj", [dMlp, dModel]],
    ["mlp.up_proj", [dMlp, dModel]],
    ["mlp.down_proj", [dModel, dMlp]],
    ["post_feedforward_layernorm", [dModel]],
  ];
  if (config.qkNorm) {
    perLayer.push(["self_attn.q_norm", [dHead]], ["self_attn.k_norm", [dHead]]);
  }
  const shapes = new Map<string, readonly number[]>();
  shapes.set("embed_tokens", [config.dVocab, dModel]);
  for (let i = 0; i < config.nLayers; i++) {
    for (const [name, shape] of perLayer) shapes.set(`layers.${i}.${name}`, shape);
  }
  return shapes.set("norm", [dModel]);
}

// Longest first. Multimodal checkpoints of transformers 4 say language_model.model., of 5
// model.language_model.; a bare base model has no prefix at all.
const prefixes = ["language_model.model.", "model.language_model.", "model."];
const vision = /^(?:model\.)?(?:vision_tower|multi_modal_projector)\./;
// Older versions of transformers saved these buffers; newer ones compute them.
const rotaryBuffer = /(?:^|\.)rotary_emb(?:_\w+)?\.(?:\w*inv_freq|cos_cached|sin_cached)$/;

/**
 * Our name for a published tensor: `layers.3.self_attn.q_proj` for
 * `model.layers.3.self_attn.q_proj.weight`; `lm_head` for the output head; null for an unused tensor: the
 * image part, and buffers that follow from config.json.
 */
export function neutralName(published: string, modelType: ModelConfig["modelType"]): string | null {
  if (modelType === "gemma3" && vision.test(published)) return null;
  if (rotaryBuffer.test(published)) return null;
  if (/^(?:language_model\.)?lm_head\.weight$/.test(published)) return "lm_head";
  const prefix = prefixes.find((candidate) => published.startsWith(candidate)) ?? "";
  return published.slice(prefix.length).replace(/\.weight$/, "");
}
