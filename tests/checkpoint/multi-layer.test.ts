import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  GemlensError,
  openCoderFile,
  openMultiLayerFile,
  readCircuitTracerConfig,
} from "../../lib/index.js";
import { newFolder } from "../support/folder.js";
import {
  MultiLayerWeights,
  type Written,
  writeCircuitTracer,
  writeGemmaScope2,
} from "../support/multi-layer.js";
import { f32, type Raw } from "../support/raw-checkpoint.js";

const weights = MultiLayerWeights.random("files", 8, [5, 6, 7]);
const skipping = MultiLayerWeights.random("skips", 8, [5, 5, 5], { skip: true });
const relu = MultiLayerWeights.random("relu", 8, [5, 5, 5], { relu: [0, 2] });

test("a Gemma Scope 2 cross-layer transcoder is opened at all layers", () => {
  const folder = join(newFolder(), "clt", "width_262k_l0_medium_affine");
  writeGemmaScope2(skipping, "all", { folder });
  const file = openMultiLayerFile(folder);
  expect(file).toMatchObject({
    format: "gemma-scope-2",
    kind: "clt",
    reads: [0, 1, 2].map((layer) => `blocks.${layer}.mlp.hook_in`),
    writes: [0, 1, 2].map((layer) => `blocks.${layer}.hook_mlp_out`),
    width: 8,
    dSae: 15,
    skip: true,
    l0: 60,
    modelName: "gemma-3-1b-it",
    widthName: "262k",
  });
  expect(file.layers[1]?.W_dec.shape).toEqual([5, 3, 8]);
  expect(openMultiLayerFile(join(folder, "config.json"))).toEqual(file);
});

test("a crosscoder is opened at the layers that its configuration lists", () => {
  const folder = join(newFolder(), "layer_5_9_12_width_65k_l0_medium");
  writeGemmaScope2(weights, [5, 9, 12], { folder });
  const file = openMultiLayerFile(folder);
  const hooks = [5, 9, 12].map((layer) => `blocks.${layer}.hook_resid_post`);
  expect(file).toMatchObject({ kind: "crosscoder", reads: hooks, writes: hooks, dSae: 18 });
  expect(file.widthName).toBe("65k");
  const without = writeGemmaScope2(weights, [5, 9, 12], {
    config: { hf_hook_point_out: undefined, width: undefined, l0: undefined, model_name: null },
  });
  expect(openMultiLayerFile(without)).toMatchObject({ writes: hooks, modelName: undefined });
});

test("a last file that is there twice is passed over, and another one refused", () => {
  const folder = writeGemmaScope2(weights, [5, 9, 12]);
  const extra = join(folder, "params_layer_3.safetensors");
  cpSync(join(folder, "params_layer_2.safetensors"), extra);
  expect(openMultiLayerFile(folder).layers.length).toBe(3);
  cpSync(join(folder, "params_layer_1.safetensors"), extra);
  expect(() => openMultiLayerFile(folder)).toThrow(/params_layer_3.*the last one again/);
});

test("a set of circuit-tracer's is opened with the layers that have no threshold", () => {
  const file = openMultiLayerFile(writeCircuitTracer(relu));
  expect(file).toMatchObject({
    format: "circuit-tracer",
    kind: "clt",
    reads: [0, 1, 2].map((layer) => `blocks.${layer}.hook_resid_mid`),
    writes: [0, 1, 2].map((layer) => `blocks.${layer}.hook_mlp_out`),
    width: 8,
    dSae: 15,
    skip: false,
    modelName: "gemma-2-2b",
  });
  expect(file.files.length).toBe(6);
  expect(file.layers.map(({ threshold }) => threshold !== undefined)).toEqual([false, true, false]);
  expect(file.layers.map(({ W_dec }) => W_dec.shape[1])).toEqual([3, 2, 1]);
});

test("thresholds may be stored as one row", () => {
  const folder = writeCircuitTracer(weights, {
    tensors: (tensors) => {
      for (const [name, raw] of tensors) {
        if (!name.startsWith("threshold")) continue;
        tensors.set(name, { ...raw, shape: [1, ...raw.shape] });
      }
    },
  });
  expect(openMultiLayerFile(folder).layers[1]?.threshold?.shape).toEqual([6]);
});

const change = (at: string, name: string, to: Raw | undefined): Written => ({
  tensors: (tensors, file) => {
    if (!file.includes(at)) return;
    if (to === undefined) tensors.delete(name);
    else tensors.set(name, to);
  },
});
const zeros = (...shape: number[]) =>
  f32(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
const withNaN = f32([0, 0, Number.NaN, 0, 0, 0], [6]);

const published: [string, Written, string, string][] = [
  ["another architecture", { config: { architecture: "topk" } }, "UNSUPPORTED", "architecture"],
  ["another kind", { config: { type: "sae" } }, "CHECKPOINT", "type"],
  ["a crosscoder whose hooks differ", { config: { type: "clt" } }, "CHECKPOINT", "type"],
  [
    "a hook of one layer",
    { config: { hf_hook_point_in: "model.layers.5.output" } },
    "UNSUPPORTED",
    "hf_hook_point_in",
  ],
  [
    "an unknown hook",
    { config: { hf_hook_point_in: "model.layers.{5,9,12}.mlp.output" } },
    "UNSUPPORTED",
    "hf_hook_point_in",
  ],
  [
    "layers that do not ascend",
    { config: { hf_hook_point_in: "model.layers.{5,5,12}.output" } },
    "CHECKPOINT",
    "hf_hook_point_in",
  ],
  [
    "an empty layer",
    { config: { hf_hook_point_in: "model.layers.{,5,12}.output" } },
    "CHECKPOINT",
    "hf_hook_point_in",
  ],
  [
    "a layer of five digits",
    { config: { hf_hook_point_in: "model.layers.{5,9,99999}.output" } },
    "CHECKPOINT",
    "hf_hook_point_in",
  ],
  [
    "other layers that it writes",
    { config: { hf_hook_point_out: "model.layers.{5,9,13}.output" } },
    "CHECKPOINT",
    "hf_hook_point_out",
  ],
  [
    "fewer layers than sites",
    {
      config: {
        hf_hook_point_in: "model.layers.{5,9}.output",
        hf_hook_point_out: "model.layers.{5,9}.output",
      },
    },
    "CHECKPOINT",
    "w_dec",
  ],
  ["a width of one encoder", { config: { width: 6 } }, "CHECKPOINT", "width"],
  [
    "a skip that is announced",
    { config: { affine_connection: true } },
    "CHECKPOINT",
    "affine_skip",
  ],
  [
    "a skip at one site",
    change("_1.", "affine_skip_connection", zeros(8, 8)),
    "CHECKPOINT",
    "affine",
  ],
  ["no encoder", change("_1.", "w_enc", undefined), "CHECKPOINT", "w_enc"],
  ["an unknown tensor", change("_1.", "W_skip", zeros(8, 8)), "CHECKPOINT", "W_skip"],
  ["W_enc by feature", change("_1.", "w_enc", zeros(6, 8)), "CHECKPOINT", "w_enc"],
  ["a site too few", change("_2.", "w_dec", zeros(7, 2, 8)), "CHECKPOINT", "w_dec"],
  ["W_dec of one site", change("_0.", "w_dec", zeros(5, 8)), "CHECKPOINT", "w_dec"],
  ["no features", change("_1.", "b_enc", zeros(0)), "CHECKPOINT", "b_enc"],
  ["b_dec of another width", change("_1.", "b_dec", zeros(9)), "CHECKPOINT", "b_dec"],
  [
    "a threshold that is not finite",
    change("_1.", "threshold", withNaN),
    "CHECKPOINT",
    "threshold",
  ],
  [
    "integers",
    change("_1.", "b_enc", { dtype: "I32", shape: [6], bytes: new Uint8Array(24) }),
    "CHECKPOINT",
    "b_enc",
  ],
];

test.each(published)("Gemma Scope 2's layout is refused with %s", (_, written, code, field) => {
  expectRefused(writeGemmaScope2(weights, [5, 9, 12], written), code, field);
});

const bomb = [
  "a: &a [x, x, x, x, x, x, x, x, x]",
  ..."bcdefghi".split("").map((name, i) => {
    const before = "abcdefgh"[i];
    return `${name}: &${name} [${Array(9).fill(`*${before}`).join(", ")}]`;
  }),
].join("\n");

const sets: [string, Written, string, string][] = [
  ["another kind", { config: { model_kind: "sae_set" } }, "UNSUPPORTED", "model_kind"],
  [
    "one transcoder for each layer",
    { config: { model_kind: "transcoder_set" } },
    "UNSUPPORTED",
    "model_kind",
  ],
  [
    "an unknown hook",
    { config: { feature_input_hook: "hook_mlp_inn" } },
    "UNSUPPORTED",
    "feature_input_hook",
  ],
  [
    "a name of JavaScript's",
    { config: { feature_output_hook: "constructor" } },
    "UNSUPPORTED",
    "feature_output_hook",
  ],
  ["no hook", { config: { feature_output_hook: undefined } }, "CHECKPOINT", "feature_output_hook"],
  [
    "a number for a hook",
    { config: { feature_input_hook: 7 } },
    "CHECKPOINT",
    "feature_input_hook",
  ],
  [
    "a list of files",
    { config: { transcoders: '["a/b.safetensors"]' } },
    "UNSUPPORTED",
    "transcoders",
  ],
  [
    "a path out of the folder",
    { config: { transcoders: '["../../etc/passwd"]' } },
    "CHECKPOINT",
    "transcoders.0",
  ],
  ["aliases", { config: { scan: `x\n${bomb}` } }, "CHECKPOINT", "YAML"],
  ["a key twice", { config: { scan: "x\nmodel_kind: y" } }, "CHECKPOINT", "YAML"],
  ["no YAML", { config: { scan: "[" } }, "CHECKPOINT", "YAML"],
  ["two documents", { config: { scan: "x\n---\na: b" } }, "CHECKPOINT", "YAML"],
  ["brackets without end", { config: { scan: "[".repeat(20_000) } }, "CHECKPOINT", "YAML"],
  ["a long file", { config: { scan: "x".repeat(70_000) } }, "CHECKPOINT", "file"],
  ["an unknown tensor", change("W_enc_1", "W_skip_1", zeros(8, 8)), "CHECKPOINT", "W_skip_1"],
  ["another layer's tensor", change("W_enc_1", "b_enc_0", zeros(6)), "CHECKPOINT", "b_enc_0"],
  ["no decoder", change("W_dec_1", "W_dec_1", undefined), "CHECKPOINT", "W_dec_1"],
  ["W_enc transposed", change("W_enc_1", "W_enc_1", zeros(8, 6)), "CHECKPOINT", "W_enc_1"],
  ["a site too many", change("W_dec_1", "W_dec_1", zeros(6, 3, 8)), "CHECKPOINT", "W_dec_1"],
  [
    "a threshold below 0",
    change("W_enc_1", "threshold_1", f32([0, 1, 0, -0.5, 0, 0], [6])),
    "UNSUPPORTED",
    "threshold_1",
  ],
  [
    "a threshold that is not finite",
    change("W_enc_1", "threshold_1", withNaN),
    "CHECKPOINT",
    "threshold_1",
  ],
];

test.each(sets)("circuit-tracer's layout is refused with %s", (_, written, code, field) => {
  expectRefused(writeCircuitTracer(weights, written), code, field);
});

test("missing files are named", () => {
  const folder = writeGemmaScope2(weights, [5, 9, 12]);
  rmSync(join(folder, "params_layer_1.safetensors"));
  expectRefused(folder, "NOT_FOUND", "file");
  const set = writeCircuitTracer(weights);
  rmSync(join(set, "W_enc_2.safetensors"));
  expectRefused(set, "CHECKPOINT", "W_dec_0");
  expectRefused(newFolder(), "CHECKPOINT", "coder");
  writeFileSync(join(set, "config.json"), "{}");
  expectRefused(set, "CHECKPOINT", "coder");
  expectRefused("/nowhere/clt", "NOT_FOUND", undefined);
});

test("the reader of coders of one site says which class loads the folder", () => {
  const folder = writeGemmaScope2(weights, [5, 9, 12]);
  expect(() => openCoderFile(folder)).toThrow(/Crosscoder\.fromFile/);
});

test("the files that a config.yaml lists are paths of a repository", () => {
  const file = join(newFolder(), "config.yaml");
  const parse = (transcoders: string[]) => {
    const config = {
      model_kind: "transcoder_set",
      feature_input_hook: "ln2.hook_normalized",
      feature_output_hook: "hook_mlp_out",
      transcoders,
    };
    writeFileSync(file, JSON.stringify(config)); // JSON is YAML
    return readCircuitTracerConfig(file);
  };
  const repo = "google/gemma-scope-2b-pt-transcoders";
  const path = "layer_0/width_16k/average_l0_76/params.npz";
  const files = [
    `hf://${repo}/${path}`,
    `hf://${repo}/${path}?revision=main`,
    "layer_2/params.npz",
  ];
  expect(parse(files)).toEqual({
    kind: "transcoders",
    readPoint: "ln2.hook_normalized",
    writePoint: "hook_mlp_out",
    modelName: undefined,
    files: [
      { repo, path, revision: undefined },
      { repo, path, revision: "main" },
      "layer_2/params.npz",
    ],
  });
  const hostile = [
    "hf://google/x/../../etc/passwd",
    "hf://google/..",
    "hf://../x/y",
    "hf://google/x/a//b",
    "hf://google/x/y?revision=../../z",
    "hf://google/x/y#z",
    "/etc/passwd",
    "a/../b",
    "a\\..\\b",
    "",
  ];
  for (const name of hostile) {
    expect(() => parse([name]), name).toThrow(expect.objectContaining({ code: "CHECKPOINT" }));
  }
});

function expectRefused(folder: string, code: string, field: string | undefined): void {
  try {
    openMultiLayerFile(folder);
  } catch (error) {
    expect(GemlensError.is(error)).toBe(true);
    const { code: got, message, fields } = error as GemlensError;
    expect([got, message]).toEqual([code, expect.stringContaining(folder)]);
    if (field !== undefined) expect(fields["field"]).toContain(field);
    return;
  }
  throw new Error("expected a refusal, got none");
}
