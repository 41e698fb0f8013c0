import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { GemlensError, parseModelConfig } from "../../lib/index.js";

const folder = fileURLToPath(new URL("../fixtures/configs/", import.meta.url));
const read = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(folder + name, "utf8")) as Record<string, unknown>;

/** The config that transformers makes of the published config.json, with defaults filled in. */
interface Resolved {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  query_pre_attn_scalar: number;
  rms_norm_eps: number;
  sliding_window: number;
  max_position_embeddings: number;
  attn_logit_softcapping: number | null;
  final_logit_softcapping: number | null;
  bos_token_id: number;
  pad_token_id: number;
  layer_types: string[];
  rope_parameters: Record<string, { rope_type: string; rope_theta: number; factor?: number }>;
}

// Published values: d, layers, heads, kv heads, d_head, d_ff, vocabulary, window, attention scalar.
const published: Record<string, readonly number[]> = {
  "gemma-2-2b": [2304, 26, 8, 4, 256, 9216, 256000, 4096, 256],
  "gemma-2-9b": [3584, 42, 16, 8, 256, 14336, 256000, 4096, 256],
  "gemma-2-27b": [4608, 46, 32, 16, 128, 36864, 256000, 4096, 144],
  "gemma-3-270m": [640, 18, 4, 1, 256, 2048, 262144, 512, 256],
  "gemma-3-1b": [1152, 26, 4, 1, 256, 6912, 262144, 512, 256],
  "gemma-3-4b": [2560, 34, 8, 4, 256, 10240, 262208, 1024, 256],
  "gemma-3-12b": [3840, 48, 16, 8, 256, 15360, 262208, 1024, 256],
  "gemma-3-27b": [5376, 62, 32, 16, 128, 21504, 262208, 1024, 168],
};

describe.each(Object.keys(published))("%s", (name) => {
  const resolved = read(`${name}.resolved.json`) as unknown as Resolved;
  const gemma3 = name.startsWith("gemma-3");

  test.each([`${name}.json`, `${name}.transformers5.json`])("%s", (file) => {
    const config = parseModelConfig(read(file), file, name);
    const { dModel, nLayers, nHeads, nKeyValueHeads, dHead, dMlp, dVocab } = config;
    expect([dModel, nLayers, nHeads, nKeyValueHeads, dHead, dMlp, dVocab]).toEqual(
      published[name]?.slice(0, 7),
    );
    expect([dModel, nLayers, nHeads, nKeyValueHeads, dHead, dMlp, dVocab]).toEqual([
      resolved.hidden_size,
      resolved.num_hidden_layers,
      resolved.num_attention_heads,
      resolved.num_key_value_heads,
      resolved.head_dim,
      resolved.intermediate_size,
      resolved.vocab_size,
    ]);
    expect(config.modelName).toBe(name);
    expect(config.modelType).toBe(gemma3 ? "gemma3" : "gemma2");
    expect(config.qkNorm).toBe(gemma3);
    expect(config.attnScale).toBeCloseTo(1 / Math.sqrt(published[name]?.[8] as number), 15);
    expect(config.attnScale).toBeCloseTo(1 / Math.sqrt(resolved.query_pre_attn_scalar), 15);
    expect(config.nCtx).toBe(resolved.max_position_embeddings);
    expect(config.eps).toBe(resolved.rms_norm_eps);
    expect(config.attnSoftcap).toBe(resolved.attn_logit_softcapping);
    expect(config.finalSoftcap).toBe(resolved.final_logit_softcapping);
    expect([config.bosTokenId, config.padTokenId]).toEqual([
      resolved.bos_token_id,
      resolved.pad_token_id,
    ]);
    expect(config.eosTokenIds).toContain(1);
    expect(config.layers).toEqual(
      resolved.layer_types.map((type) => {
        const rope = resolved.rope_parameters[type];
        return {
          window: type === "sliding_attention" ? resolved.sliding_window : null,
          ropeBase: rope?.rope_theta,
          ropeScale: rope?.factor ?? 1,
        };
      }),
    );
    // Published facts of the models, independent of transformers' defaults.
    const every = gemma3 ? 6 : 2;
    for (const [i, { window, ropeBase, ropeScale }] of config.layers.entries()) {
      const global = (i + 1) % every === 0;
      expect(window).toBe(global ? null : published[name]?.[7]);
      expect(ropeBase).toBe(global && gemma3 ? 1e6 : 1e4);
      expect(ropeScale).toBe(global && /-(4|12|27)b$/.test(name) && gemma3 ? 8 : 1);
    }
  });
});

describe("missing keys take the family's defaults", () => {
  test("gemma2", () => {
    const config = parseModelConfig({ model_type: "gemma2" }, "config.json", "x");
    expect(config).toMatchObject({
      dModel: 2304,
      nLayers: 26,
      dVocab: 256000,
      nCtx: 8192,
      attnSoftcap: 50,
      finalSoftcap: 30,
      attnScale: 1 / 16,
      fileDtype: null,
    });
    expect(config.layers[0]).toEqual({ window: 4096, ropeBase: 1e4, ropeScale: 1 });
    expect(config.layers[1]?.window).toBeNull();
  });

  test("gemma3_text, and a null cap means no cap", () => {
    const config = parseModelConfig(
      { model_type: "gemma3_text", torch_dtype: "bfloat16" },
      "config.json",
      "x",
    );
    expect(config).toMatchObject({ dVocab: 262208, nCtx: 131072, attnSoftcap: null });
    expect(config.fileDtype).toBe("bfloat16");
    const capless = { model_type: "gemma2", attn_logit_softcapping: null };
    expect(parseModelConfig(capless, "config.json", "x").attnSoftcap).toBeNull();
  });

  test("accepts an older window pattern, and rope_scaling under either name", () => {
    const config = parseModelConfig(
      {
        model_type: "gemma3_text",
        num_hidden_layers: 4,
        sliding_window: 7,
        sliding_window_pattern: 2,
        rope_theta: 5e5,
        rope_local_base_freq: 2e4,
        rope_scaling: { type: "linear", factor: 4 },
      },
      "config.json",
      "x",
    );
    const local = { window: 7, ropeBase: 2e4, ropeScale: 1 };
    const global = { window: null, ropeBase: 5e5, ropeScale: 4 };
    expect(config.layers).toEqual([local, global, local, global]);
  });

  test("takes the outer ids of a multimodal config", () => {
    const config = parseModelConfig(
      { model_type: "gemma3", eos_token_id: [1, 106], text_config: { eos_token_id: 1 } },
      "config.json",
      "x",
    );
    expect(config.eosTokenIds).toEqual([1, 106]);
  });
});

describe("refuses invalid configs", () => {
  const g2 = { model_type: "gemma2" };
  const g3 = { model_type: "gemma3_text" };
  test.each([
    ["a config that is no object", [], "CHECKPOINT", "config"],
    ["an unknown architecture", { model_type: "llama" }, "UNSUPPORTED", "model_type"],
    ["a missing architecture", {}, "UNSUPPORTED", "model_type"],
    [
      "an unknown text model",
      { model_type: "gemma3", text_config: { model_type: "llama" } },
      "UNSUPPORTED",
      "text_config.model_type",
    ],
    [
      "text_config as text",
      { model_type: "gemma3", text_config: "x" },
      "CHECKPOINT",
      "text_config.config",
    ],
    [
      "a width inside text_config",
      { model_type: "gemma3", text_config: { hidden_size: 0 } },
      "CHECKPOINT",
      "text_config.hidden_size",
    ],
    [
      "an unknown activation",
      { ...g2, hidden_activation: "silu" },
      "UNSUPPORTED",
      "hidden_activation",
    ],
    ["an attention bias", { ...g2, attention_bias: true }, "UNSUPPORTED", "attention_bias"],
    [
      "attention in both directions",
      { ...g3, use_bidirectional_attention: true },
      "UNSUPPORTED",
      "use_bidirectional_attention",
    ],
    [
      "tie_word_embeddings as text",
      { ...g2, tie_word_embeddings: "no" },
      "CHECKPOINT",
      "tie_word_embeddings",
    ],
    [
      "quantised weights",
      { ...g2, quantization_config: { bits: 4 } },
      "UNSUPPORTED",
      "quantization_config",
    ],
    [
      "an unknown rope type",
      { ...g2, rope_scaling: { rope_type: "yarn", factor: 2 } },
      "UNSUPPORTED",
      "rope_type",
    ],
    [
      "an unknown rope type in the newer style",
      { ...g3, rope_parameters: { full_attention: { rope_type: "llama3" } } },
      "UNSUPPORTED",
      "rope_type",
    ],
    [
      "linear rope without a factor",
      { ...g3, rope_scaling: { rope_type: "linear" } },
      "CHECKPOINT",
      "rope factor",
    ],
    [
      "a rope factor of 0",
      { ...g3, rope_scaling: { rope_type: "linear", factor: 0 } },
      "CHECKPOINT",
      "rope_scaling.factor",
    ],
    [
      "one rope for both layer types",
      { ...g3, rope_parameters: { rope_theta: 1e4 } },
      "CHECKPOINT",
      "rope_parameters",
    ],
    [
      "an infinite number of layers",
      { ...g2, num_hidden_layers: 1e9 },
      "CHECKPOINT",
      "num_hidden_layers",
    ],
    [
      "a negative number of layers",
      { ...g2, num_hidden_layers: -1 },
      "CHECKPOINT",
      "num_hidden_layers",
    ],
    [
      "a fractional number of heads",
      { ...g2, num_attention_heads: 1.5 },
      "CHECKPOINT",
      "num_attention_heads",
    ],
    [
      "heads that key heads do not divide",
      { ...g2, num_key_value_heads: 3 },
      "CHECKPOINT",
      "num_key_value_heads",
    ],
    ["an odd head width", { ...g2, head_dim: 7 }, "CHECKPOINT", "head_dim"],
    ["a width as text", { ...g2, hidden_size: "2304" }, "CHECKPOINT", "hidden_size"],
    ["eps of 0", { ...g2, rms_norm_eps: 0 }, "CHECKPOINT", "rms_norm_eps"],
    [
      "an infinite eps",
      { ...g2, rms_norm_eps: Number.POSITIVE_INFINITY },
      "CHECKPOINT",
      "rms_norm_eps",
    ],
    [
      "a negative cap",
      { ...g2, final_logit_softcapping: -30 },
      "CHECKPOINT",
      "final_logit_softcapping",
    ],
    ["a scalar of 0", { ...g2, query_pre_attn_scalar: 0 }, "CHECKPOINT", "query_pre_attn_scalar"],
    [
      "too few layer types",
      { ...g2, layer_types: ["full_attention"] },
      "CHECKPOINT",
      "layer_types",
    ],
    [
      "an unknown layer type",
      { ...g2, num_hidden_layers: 1, layer_types: ["mamba"] },
      "CHECKPOINT",
      "layer_types.0",
    ],
    [
      "sliding layers without a window",
      { ...g2, sliding_window: null },
      "CHECKPOINT",
      "sliding_window",
    ],
  ])("%s", (_, json, code, field) => {
    let error: unknown;
    try {
      parseModelConfig(json, "some/config.json", "x");
    } catch (thrown) {
      error = thrown;
    }
    expect(GemlensError.is(error, code as "CHECKPOINT"), String(error)).toBe(true);
    expect((error as Error).message).toMatch(/^some\/config\.json: expected /);
    expect((error as Error).message).toContain(` for ${field}, got `);
  });
});
