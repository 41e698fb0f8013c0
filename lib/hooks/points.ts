/**
 * Every hook point of the forward pass, with the axes of its activation. Names and shapes are
 * TransformerLens'. "one" is the last axis of a norm's scale; keys and values have one "head_index" for
 * each key-value head.
 */

const residual = ["batch", "pos", "d_model"] as const;
const heads = ["batch", "pos", "head_index", "d_head"] as const;
const headResiduals = ["batch", "pos", "head_index", "d_model"] as const;
const pattern = ["batch", "head_index", "query_pos", "key_pos"] as const;
const neurons = ["batch", "pos", "d_mlp"] as const;
const scale = ["batch", "pos", "one"] as const;

/** Once in the model. */
export const globalPoints = {
  /** Token embeddings times √d_model. */
  hook_embed: residual,
  /** √(mean x² + ε) of the final norm. */
  "ln_final.hook_scale": scale,
  /** x / scale, before the final norm's gain. */
  "ln_final.hook_normalized": residual,
  /** The unembedding's input: the final norm with its gain. */
  "unembed.hook_in": residual,
  /** Logits before the final soft cap. */
  "unembed.hook_out": ["batch", "pos", "d_vocab"],
} as const;

/** Once in each block, in order of firing; full names begin with "blocks.L.". */
export const blockPoints = {
  /** The residual stream that enters the block. */
  hook_resid_pre: residual,
  /** One copy of resid_pre for each head's attention input. */
  hook_attn_in: headResiduals,
  /** One copy of resid_pre for each head's queries. */
  hook_q_input: headResiduals,
  /** One copy of resid_pre for each head's keys. */
  hook_k_input: headResiduals,
  /** One copy of resid_pre for each head's values. */
  hook_v_input: headResiduals,
  /** √(mean x² + ε) of the norm before attention. */
  "ln1.hook_scale": scale,
  /** x / scale, before the gain of the norm before attention. */
  "ln1.hook_normalized": residual,
  /** Attention's input: the norm with its gain. */
  "attn.hook_in": residual,
  /** Queries before the rotation (Gemma 3: before q_norm). */
  "attn.hook_q": heads,
  /** Keys before the rotation (Gemma 3: before k_norm). */
  "attn.hook_k": heads,
  /** Values. */
  "attn.hook_v": heads,
  /** Queries after their norm (Gemma 3 only). */
  "attn.q_norm.hook_out": heads,
  /** Keys after their norm (Gemma 3 only). */
  "attn.k_norm.hook_out": heads,
  /** Queries after the rotation. */
  "attn.hook_rot_q": heads,
  /** Keys after the rotation. */
  "attn.hook_rot_k": heads,
  /** q·k after scale, soft cap and mask (−∞ where masked). */
  "attn.hook_attn_scores": pattern,
  /** Softmax of the scores. */
  "attn.hook_pattern": pattern,
  /** Weighted values of each head, before W_O. */
  "attn.hook_z": heads,
  /** Each head's part of the attention output, before the post norm. */
  "attn.hook_result": headResiduals,
  /** The attention output before the post norm. */
  "attn.hook_out": residual,
  /** √(mean x² + ε) of the norm after attention. */
  "ln1_post.hook_scale": scale,
  /** x / scale, before the gain of the norm after attention. */
  "ln1_post.hook_normalized": residual,
  /** Attention's contribution to the residual stream, after the post norm. */
  hook_attn_out: residual,
  /** The residual stream between attention and MLP. */
  hook_resid_mid: residual,
  /** resid_mid as the MLP's branch reads it, before its norm. */
  hook_mlp_in: residual,
  /** √(mean x² + ε) of the norm before the MLP. */
  "ln2.hook_scale": scale,
  /** x / scale, before the gain of the norm before the MLP. */
  "ln2.hook_normalized": residual,
  /** The MLP's input: the norm with its gain (the input of Gemma Scope 2 transcoders). */
  "mlp.hook_in": residual,
  /** The gate before its activation. */
  "mlp.hook_pre": neurons,
  /** The up projection. */
  "mlp.hook_pre_linear": neurons,
  /** gelu(gate) · up. */
  "mlp.hook_post": neurons,
  /** The MLP output before the post norm. */
  "mlp.hook_out": residual,
  /** √(mean x² + ε) of the norm after the MLP. */
  "ln2_post.hook_scale": scale,
  /** x / scale, before the gain of the norm after the MLP. */
  "ln2_post.hook_normalized": residual,
  /** The MLP's contribution to the residual stream, after the post norm. */
  hook_mlp_out: residual,
  /** The residual stream that leaves the block. */
  hook_resid_post: residual,
} as const;

/** Points that only models with query and key norms (Gemma 3) have. */
export const qkNormPoints: ReadonlySet<string> = new Set([
  "attn.q_norm.hook_out",
  "attn.k_norm.hook_out",
]);

/** Names of TransformerLens 4's bridge for the same points, once in each block. */
export const blockAliases = {
  hook_in: "hook_resid_pre",
  hook_out: "hook_resid_post",
  "ln1.hook_out": "attn.hook_in",
  "ln1_post.hook_out": "hook_attn_out",
  "ln2.hook_in": "hook_resid_mid",
  "ln2.hook_out": "mlp.hook_in",
  "ln2_post.hook_out": "hook_mlp_out",
  "attn.q.hook_in": "attn.hook_in",
  "attn.q.hook_out": "attn.hook_q",
  "attn.k.hook_in": "attn.hook_in",
  "attn.k.hook_out": "attn.hook_k",
  "attn.v.hook_in": "attn.hook_in",
  "attn.v.hook_out": "attn.hook_v",
  "attn.o.hook_in": "attn.hook_z",
  "attn.o.hook_out": "attn.hook_out",
  "mlp.gate.hook_in": "mlp.hook_in",
  "mlp.gate.hook_out": "mlp.hook_pre",
  "mlp.in.hook_in": "mlp.hook_in",
  "mlp.in.hook_out": "mlp.hook_pre_linear",
  "mlp.out.hook_in": "mlp.hook_post",
  "mlp.out.hook_out": "mlp.hook_out",
  "attn.q_norm.hook_in": "attn.hook_q",
  "attn.k_norm.hook_in": "attn.hook_k",
} as const satisfies Record<string, keyof typeof blockPoints>;

/** Aliases that only models with query and key norms (Gemma 3) have. */
export const qkNormAliases: ReadonlySet<string> = new Set([
  "attn.q_norm.hook_in",
  "attn.k_norm.hook_in",
]);

/** Names of the bridge, once in the model. `ln_final.hook_in` is the last block's resid_post. */
export const globalAliases = {
  "embed.hook_out": "hook_embed",
  "ln_final.hook_out": "unembed.hook_in",
} as const satisfies Record<string, keyof typeof globalPoints>;
export const lastResidualAlias = "ln_final.hook_in";

/** The short keys of TransformerLens' caches that take a layer: ["resid_post", 20]. */
export const shortNames = {
  resid_pre: "hook_resid_pre",
  resid_mid: "hook_resid_mid",
  resid_post: "hook_resid_post",
  attn_in: "hook_attn_in",
  q_input: "hook_q_input",
  k_input: "hook_k_input",
  v_input: "hook_v_input",
  mlp_in: "hook_mlp_in",
  attn_out: "hook_attn_out",
  mlp_out: "hook_mlp_out",
  q: "attn.hook_q",
  query: "attn.hook_q",
  k: "attn.hook_k",
  key: "attn.hook_k",
  v: "attn.hook_v",
  value: "attn.hook_v",
  rot_q: "attn.hook_rot_q",
  rot_k: "attn.hook_rot_k",
  attn_scores: "attn.hook_attn_scores",
  attn_logits: "attn.hook_attn_scores",
  pattern: "attn.hook_pattern",
  attn: "attn.hook_pattern",
  z: "attn.hook_z",
  result: "attn.hook_result",
  pre: "mlp.hook_pre",
  mlp_pre: "mlp.hook_pre",
  pre_linear: "mlp.hook_pre_linear",
  post: "mlp.hook_post",
  mlp_post: "mlp.hook_post",
} as const satisfies Record<string, keyof typeof blockPoints>;

/** The norms whose ["scale" | "normalized", layer, norm] keys exist. */
export const blockNorms = ["ln1", "ln1_post", "ln2", "ln2_post"] as const;

/** Short keys without a layer, as returned by TransformerLens' get_act_name. */
export const globalShortNames = {
  embed: "hook_embed",
  scale: "ln_final.hook_scale",
  normalized: "ln_final.hook_normalized",
} as const satisfies Record<string, keyof typeof globalPoints>;
