import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { modelConfig, modelTensors, npy, npz, safetensors, type Tensors } from "./tiny-files.js";

export const formats = ["safetensors", "npz", "config", "tokenizer"] as const;
export type Format = (typeof formats)[number];

/** A folder of valid files, and the ones that get changed. */
export interface Sample {
  readonly name: string;
  /** The public readers and loaders that open it (open.ts). */
  readonly kind: "header" | "coder" | "model" | "npz" | "tokenizer";
  readonly files: Readonly<Record<string, Buffer>>;
  readonly targets: readonly string[];
}

const fixture = (path: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../tests/fixtures/${path}`, import.meta.url)));
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value, null, 2));

const weights = "model.safetensors";

const coderShapes = { W_enc: [4, 6], W_dec: [6, 4], b_enc: [6], b_dec: [4], threshold: [6] };

function coder2(affine: boolean): Record<string, Buffer> {
  const shapes = Object.entries(coderShapes).map(([name, shape]) => [name.toLowerCase(), shape]);
  if (affine) shapes.push(["affine_skip_connection", [4, 4]]);
  const tensors = Object.fromEntries(shapes.map(([name, shape]) => [name, ["F32", shape]]));
  const site = affine ? "pre_feedforward_layernorm.output" : "output";
  const config = {
    hf_hook_point_in: `model.layers.2.${site}`,
    hf_hook_point_out: affine ? "model.layers.2.post_feedforward_layernorm.output" : null,
    width: 6,
    model_name: "gemma-v3-1b-pt",
    architecture: "jump_relu",
    l0: 8,
    affine_connection: affine,
    type: affine ? "transcoder" : "sae",
  };
  return { "params.safetensors": safetensors(tensors as Tensors), "config.json": json(config) };
}

const model2 = { [weights]: safetensors(modelTensors(false), { format: "pt" }) };
const model3 = { [weights]: safetensors(modelTensors(true)) };
const generation = json({ eos_token_id: [1, 3], max_length: 20, transformers_version: "5.0" });

function sharded(): Record<string, Buffer> {
  const entries = Object.entries(modelTensors(false));
  const file = (n: number): string => `model-0000${n}-of-00002.safetensors`;
  const half = entries.length / 2;
  const map = entries.map(([name], i) => [name, file(i < half ? 1 : 2)]);
  return {
    "config.json": json(modelConfig(false, false)),
    "model.safetensors.index.json": json({
      metadata: { total_size: 4096 },
      weight_map: Object.fromEntries(map),
    }),
    [file(1)]: safetensors(Object.fromEntries(entries.filter((_, i) => i < half))),
    [file(2)]: safetensors(Object.fromEntries(entries.filter((_, i) => i >= half))),
  };
}

const everyType: Tensors = {
  double: ["F64", [2]],
  float: ["F32", [3, 4]],
  half: ["F16", [5]],
  brain: ["BF16", [2, 2]],
  long: ["I64", []],
  int: ["I32", [1, 1, 1]],
  short: ["I16", [2]],
  signed: ["I8", [3]],
  byte: ["U8", [0, 7]],
  flag: ["BOOL", [1]],
};

function safetensorsSamples(): Sample[] {
  const config2 = json(modelConfig(false, false));
  const shards = sharded();
  return [
    {
      name: "every-type",
      kind: "header",
      files: { "every.safetensors": safetensors(everyType, { format: "pt", made: "here" }) },
      targets: ["every.safetensors"],
    },
    { name: "sae", kind: "coder", files: coder2(false), targets: ["params.safetensors"] },
    { name: "transcoder", kind: "coder", files: coder2(true), targets: ["params.safetensors"] },
    {
      name: "gemma2",
      kind: "model",
      files: { ...model2, "config.json": config2 },
      targets: [weights],
    },
    {
      name: "sharded",
      kind: "model",
      files: shards,
      targets: Object.keys(shards).filter((name) => name.endsWith(".safetensors")),
    },
  ];
}

function npzSamples(): Sample[] {
  const archive = (name: string, bytes: Buffer, kind: "coder" | "npz" = "coder"): Sample => ({
    name,
    kind,
    files: { "params.npz": bytes },
    targets: ["params.npz"],
  });
  const numpy = ["zip64", "streamed", "deflated"];
  return [
    archive("stored", npz(coderShapes)),
    archive("deflated", npz(coderShapes, true)),
    archive("any-arrays", npz({ a: [3], "b/c": [2, 2], empty: [0, 7] }), "npz"),
    ...numpy.map((name) =>
      archive(`numpy-${name}`, fixture(`tiny-gemma2/gs1/variants/${name}.npz`)),
    ),
    { name: "bare", kind: "npz", files: { "array.npy": npy([2, 3]) }, targets: ["array.npy"] },
  ];
}

function configSamples(): Sample[] {
  const text = modelConfig(true, false);
  const wrapped = { model_type: "gemma3", text_config: text, eos_token_id: [1, 3] };
  const image = safetensors(modelTensors(true, "language_model.model."));
  const targets = ["config.json", "config.json", "generation_config.json"];
  const model = (name: string, files: Record<string, Buffer>, config: unknown): Sample => ({
    name,
    kind: "model",
    files: { ...files, "config.json": json(config), "generation_config.json": generation },
    targets,
  });
  return [
    model("gemma2", model2, modelConfig(false, false)),
    model("gemma2-older", model2, modelConfig(false, true)),
    model("gemma3", model3, text),
    model("gemma3-older", model3, modelConfig(true, true)),
    model("gemma3-image", { [weights]: image }, wrapped),
    { name: "index", kind: "model", files: sharded(), targets: ["model.safetensors.index.json"] },
    { name: "sae", kind: "coder", files: coder2(false), targets: ["config.json"] },
    { name: "transcoder", kind: "coder", files: coder2(true), targets: ["config.json"] },
  ];
}

function tokenizerSamples(): Sample[] {
  const read = (folder: string): Record<string, Buffer> => {
    const names = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
    return Object.fromEntries(names.map((name) => [name, fixture(`${folder}/${name}`)]));
  };
  const folder = (name: string, files: Record<string, Buffer>): Sample => ({
    name,
    kind: "tokenizer",
    files,
    targets: ["tokenizer.json", ...Object.keys(files)],
  });
  const small = JSON.parse(String(fixture("tokenizer/tokenizer.json"))) as Record<string, unknown>;
  const model = small["model"] as Record<string, unknown>;
  const vocab = Object.fromEntries(Object.entries(model["vocab"] as object).slice(0, 40));
  const tiny = {
    ...small,
    added_tokens: (small["added_tokens"] as unknown[]).slice(0, 5),
    model: { ...model, vocab, merges: [] },
  };
  return [
    folder("gemma2", read("tokenizer")),
    folder("gemma3", read("tokenizer-gemma3")),
    folder("tiny", {
      "tokenizer.json": json(tiny),
      "special_tokens_map.json": fixture("tokenizer/special_tokens_map.json"),
      "chat_template.jinja": Buffer.from(
        "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>" +
          "{{ message['content'] | trim }}{{ loop.index0 % 2 }}{% endfor %}",
      ),
    }),
  ];
}

const makers: Readonly<Record<Format, () => Sample[]>> = {
  safetensors: safetensorsSamples,
  npz: npzSamples,
  config: configSamples,
  tokenizer: tokenizerSamples,
};

/** The valid files that a format's inputs are made from. */
export function samplesOf(format: Format): Sample[] {
  return makers[format]();
}
