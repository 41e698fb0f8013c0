import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GemlensError, openModelFolder, parseModelConfig } from "../../lib/index.js";
import { failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { f32, modelCopy, type Raw } from "../support/raw-checkpoint.js";

type Json = Record<string, unknown>;
const gemma2: Json = { model_type: "gemma2", num_hidden_layers: 6 };
const gemma3: Json = { model_type: "gemma3_text", num_hidden_layers: 6 };
const parse = (json: Json) => parseModelConfig(json, "config.json", "x");

/** Keys that change the model: a non-default value, the families, and the field that differs. */
const used: readonly (readonly [key: string, value: unknown, families: string, part: string])[] = [
  ["vocab_size", 1000, "23", "dVocab"],
  ["hidden_size", 64, "23", "dModel"],
  ["intermediate_size", 64, "23", "dMlp"],
  ["num_hidden_layers", 3, "23", "nLayers"],
  ["num_attention_heads", 4, "23", "nHeads"],
  ["num_key_value_heads", 2, "23", "nKeyValueHeads"],
  ["head_dim", 64, "23", "dHead"],
  ["max_position_embeddings", 512, "23", "nCtx"],
  ["rms_norm_eps", 1e-5, "23", "eps"],
  ["query_pre_attn_scalar", 64, "23", "attnScale"],
  ["attn_logit_softcapping", 20, "23", "attnSoftcap"],
  ["final_logit_softcapping", 20, "23", "finalSoftcap"],
  ["final_logit_softcapping", null, "2", "finalSoftcap"],
  ["sliding_window", 7, "23", "layers"],
  ["sliding_window_pattern", 2, "3", "layers"],
  ["_sliding_window_pattern", 2, "3", "layers"],
  ["layer_types", Array(6).fill("full_attention"), "23", "layers"],
  ["rope_theta", 5e5, "23", "layers"],
  ["rope_local_base_freq", 5e5, "3", "layers"],
  ["rope_scaling", { rope_type: "linear", factor: 8 }, "2", "layers"],
  ["rope_parameters", { rope_type: "default", rope_theta: 5e5 }, "2", "layers"],
  [
    "rope_parameters",
    { sliding_attention: { rope_type: "default", rope_theta: 5e5 } },
    "3",
    "layers",
  ],
  ["bos_token_id", 7, "23", "bosTokenId"],
  ["eos_token_id", [7, 8], "23", "eosTokenIds"],
  ["pad_token_id", 7, "23", "padTokenId"],
  ["tie_word_embeddings", false, "23", "tieWordEmbeddings"],
  ["dtype", "bfloat16", "23", "fileDtype"],
  ["torch_dtype", "bfloat16", "23", "fileDtype"],
];

/** Keys whose other values change transformers' results; other values are refused. */
const refused: readonly (readonly [key: string, value: unknown])[] = [
  ["hidden_activation", "silu"],
  ["hidden_act", "silu"], // where it stands alone: nobody knows what was trained
  ["attention_bias", true],
  ["use_bidirectional_attention", true],
  ["use_bidirectional_attention", "vision"],
  ["partial_rotary_factor", 0.5],
  ["quantization_config", { quant_method: "gptq", bits: 4 }],
  ["quantization_config", { quant_method: "awq", bits: 4 }],
  ["quantization_config", { quant_method: "fp8" }],
  ["quantization", { group_size: 64, bits: 4 }],
  ["compression_config", { quant_method: "compressed-tensors" }],
  ["model_type", "gemma3n"],
  ["rope_scaling", { rope_type: "yarn", factor: 8 }],
  ["rope_scaling", { rope_type: "dynamic", factor: 8 }],
  ["rope_scaling", { type: "longrope", factor: 8 }],
  ["rope_scaling", { factor: 8 }],
  ["rope_scaling", { rope_type: "linear", factor: 8, partial_rotary_factor: 0.25 }],
];

/** Keys that transformers' Gemma does not use at inference. */
const inert: Readonly<Record<string, unknown>> = {
  _name_or_path: "x",
  architectures: ["X"],
  attention_dropout: 0.5,
  auto_map: { AutoModel: "x.X" },
  boi_token_index: 3,
  cache_implementation: "static",
  chunk_size_feed_forward: 3,
  eoi_token_index: 3,
  id2label: { 0: "x" },
  image_token_index: 3,
  initializer_range: 9,
  is_encoder_decoder: false,
  label2id: { x: 0 },
  mm_tokens_per_image: 3,
  output_hidden_states: true,
  problem_type: "regression",
  return_dict: false,
  sliding_window_size: 3, // of Gemma 2's published configs; sliding_window counts
  transformers_version: "9.9.9",
  unsloth_version: "1",
  use_cache: false,
  vision_config: { hidden_size: 3 },
};
const structural = ["text_config", "model_type"];

describe("every key of a config.json is used, refused or inert", () => {
  const families = { 2: gemma2, 3: gemma3 } as const;
  test.each(used)("uses %s = %j for Gemma %s", (key, value, which, part) => {
    for (const family of which) {
      const base = families[family as "2"];
      const [plain, changed] = [parse(base), parse({ ...base, [key]: value })];
      expect(changed[part as "layers"]).not.toEqual(plain[part as "layers"]);
    }
  });

  test.each(refused)("refuses %s = %j", async (key, value) => {
    for (const base of [gemma2, gemma3]) {
      const error = await failure(() => parse({ ...base, [key]: value }));
      expect(["UNSUPPORTED", "CHECKPOINT"]).toContain(error.code);
      const field = key === "rope_scaling" ? /rope_type|partial_rotary_factor/ : new RegExp(key);
      expect(error.message).toMatch(field);
      // The text model of a multimodal config refuses it, too.
      const outer = { model_type: "gemma3", text_config: { ...gemma3, [key]: value } };
      expect(GemlensError.is(await failure(() => parse(outer)))).toBe(true);
    }
  });

  test.each(Object.entries(inert))("ignores %s = %j", (key, value) => {
    for (const base of [gemma2, gemma3]) {
      expect(parse({ ...base, [key]: value })).toEqual(parse(base));
    }
  });

  test("the published configs have no other keys", () => {
    const known = new Set([
      ...used.map(([key]) => key),
      ...refused.map(([key]) => key),
      ...Object.keys(inert),
      ...structural,
    ]);
    const folder = fixture("configs");
    for (const file of readdirSync(folder)) {
      const json = JSON.parse(readFileSync(join(folder, file), "utf8")) as Json;
      const keys = [...Object.keys(json), ...Object.keys((json["text_config"] as Json) ?? {})];
      expect(keys.filter((key) => !known.has(key))).toEqual([]);
    }
  });

  test("takes tie_word_embeddings from the outer config of a multimodal model", () => {
    const text = (tie?: boolean) => ({ ...gemma3, tie_word_embeddings: tie });
    const outer = (tie: boolean | undefined, inner?: boolean) =>
      parse({ model_type: "gemma3", tie_word_embeddings: tie, text_config: text(inner) })
        .tieWordEmbeddings;
    expect([
      outer(undefined),
      outer(true, false),
      outer(false, true),
      outer(undefined, false),
    ]).toEqual([true, true, false, false]);
  });
});

describe("every tensor is used, refused or inert", () => {
  const one = (shape: number[] = [2]): Raw =>
    f32(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const withTensor = (name: string, raw = one()): string =>
    modelCopy({ tensors: (all) => void all.set(name, raw) });

  test.each([
    "model.rotary_emb.inv_freq",
    "model.layers.0.self_attn.rotary_emb.inv_freq",
    "model.rotary_emb_local.inv_freq",
    "language_model.model.rotary_emb.inv_freq",
    "model.language_model.rotary_emb.original_inv_freq",
    "rotary_emb.full_attention_inv_freq",
    "model.layers.1.self_attn.rotary_emb.cos_cached",
  ])("ignores %s", (name) => {
    const plain = openModelFolder(modelCopy());
    expect([...openModelFolder(withTensor(name)).tensors.keys()]).toEqual([
      ...plain.tensors.keys(),
    ]);
  });

  test.each([
    ["model.layers.0.self_attn.q_proj.bias", "CHECKPOINT"],
    ["model.layers.0.mlp.down_proj.bias", "CHECKPOINT"],
    ["lm_head.bias", "CHECKPOINT"],
    ["model.layers.0.self_attn.q_norm.weight", "CHECKPOINT"], // Gemma 3's, in Gemma 2
    ["model.layers.4.input_layernorm.weight", "CHECKPOINT"], // a layer too many
    ["score.weight", "CHECKPOINT"],
    ["v_head.summary.weight", "CHECKPOINT"],
    ["model.layers.0.self_attn.q_proj.lora_A.weight", "CHECKPOINT"],
    ["vision_tower.x.weight", "CHECKPOINT"], // Gemma 2 has no image part
    ["model.layers.0.mlp.up_proj.qweight", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.scales", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.weight.absmax", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.SCB", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.weight_scale", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.weight_scale_inv", "UNSUPPORTED"],
    ["model.layers.0.mlp.up_proj.weight_packed", "UNSUPPORTED"],
  ])("refuses %s", async (name, code) => {
    const error = await failure(() => openModelFolder(withTensor(name)));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(name)]);
  });

  test.each(["F8_E4M3", "F8_E5M2", "U32"])("refuses the type %s as quantised", async (dtype) => {
    const bytes = new Uint8Array(dtype === "U32" ? 8 : 2);
    const dir = withTensor("model.x", { dtype, shape: [2], bytes });
    const error = await failure(() => openModelFolder(dir));
    expect([error.code, error.message]).toEqual(["CHECKPOINT", expect.stringContaining(dtype)]);
    expect(error.message).toContain("quantised");
  });

  test("uses the end tokens of generation_config.json, but not its sampling defaults", () => {
    const dir = modelCopy();
    const plain = openModelFolder(dir).config;
    const file = join(dir, "generation_config.json");
    writeFileSync(file, JSON.stringify({ eos_token_id: [1, 99], temperature: 3, top_k: 1 }));
    expect(openModelFolder(dir).config).toEqual({
      ...plain,
      eosTokenIds: [...new Set([...plain.eosTokenIds, 1, 99])],
    });
  });
});
