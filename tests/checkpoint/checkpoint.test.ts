import {
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type ErrorCode,
  GemlensError,
  openModelFolder,
  readSafetensorsHeader,
} from "../../lib/index.js";
import { newFolder } from "../support/folder.js";

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const sharded = join(fixtures, "checkpoints/gemma2-sharded-bf16");
const single = join(fixtures, "tiny-gemma2");

let dir: string;
let copies = 0;
beforeAll(() => {
  dir = newFolder();
});

function copyOf(folder: string): string {
  const copy = join(dir, `copy${copies++}`);
  mkdirSync(copy);
  cpSync(folder, copy, {
    recursive: true,
    filter: (file) => !/gs1|expected/.test(file.slice(folder.length)),
  });
  return copy;
}

type Json = Record<string, unknown>;
const readJson = (file: string): Json => JSON.parse(readFileSync(file, "utf8")) as Json;

/** Rewrites a JSON file in place. */
function edit(file: string, change: (json: Json) => Json): void {
  writeFileSync(file, JSON.stringify(change(readJson(file))));
}

/** Rewrites a safetensors header in place; spans stay unchanged. */
function editHeader(file: string, change: (header: Json) => Json): void {
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = change(JSON.parse(bytes.toString("utf8", 8, end)) as Json);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([prefix, text, bytes.subarray(end)]));
}

const rename =
  (from: string, to: string) =>
  (header: Json): Json =>
    Object.fromEntries(
      Object.entries(header).map(([name, value]) => [name === from ? to : name, value]),
    );

describe("published layouts", () => {
  test.each([
    ["tiny-gemma2", "gemma2", "float32", 4 * 11 + 2],
    ["tiny-gemma3", "gemma3", "float32", 7 * 13 + 2],
    ["checkpoints/gemma2-sharded-bf16", "gemma2", "bfloat16", 4 * 11 + 2],
    ["checkpoints/gemma2-f16", "gemma2", "float16", 4 * 11 + 2],
    ["checkpoints/gemma3-multimodal-hub", "gemma3", "bfloat16", 7 * 13 + 2],
    ["checkpoints/gemma3-multimodal-newer", "gemma3", "bfloat16", 7 * 13 + 2],
  ])("%s", (name, modelType, dtype, count) => {
    const folder = join(fixtures, name);
    const { config, tensors, tokenizerDir } = openModelFolder(folder);
    expect(config.modelType).toBe(modelType);
    expect(tensors.size).toBe(count);
    expect(tokenizerDir).toBe(folder);
    const fileDtype = tensors.get("embed_tokens")?.dtype;
    expect(config.fileDtype).toBe(fileDtype);
    if (!name.includes("multimodal")) expect(fileDtype).toBe(dtype);
    expect(tensors.get("embed_tokens")?.shape).toEqual([config.dVocab, config.dModel]);
    expect(tensors.get("layers.0.self_attn.q_proj")?.shape).toEqual([
      config.nHeads * config.dHead,
      config.dModel,
    ]);
    expect(tensors.has("layers.0.self_attn.q_norm")).toBe(modelType === "gemma3");
    expect([...tensors.keys()].filter((key) => /vision|projector|head|model\./.test(key))).toEqual(
      [],
    );
  });

  test("keeps the spans of the headers", () => {
    const header = readSafetensorsHeader(join(single, "model.safetensors")).tensors;
    const { tensors } = openModelFolder(single);
    expect(tensors.get("layers.3.mlp.down_proj")).toEqual(
      header.get("model.layers.3.mlp.down_proj.weight"),
    );
    expect(tensors.get("norm")).toEqual(header.get("model.norm.weight"));
  });

  test("resolves the symlinks of the Hugging Face cache, and names the model after its repository", () => {
    const snapshot = join(dir, "models--google--gemma-2-tiny/snapshots/0123abcd");
    const blobs = join(dir, "models--google--gemma-2-tiny/blobs");
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(blobs);
    for (const file of ["config.json", "model.safetensors", "generation_config.json"]) {
      cpSync(join(single, file), join(blobs, file));
      symlinkSync(`../../blobs/${file}`, join(snapshot, file));
    }
    expect(openModelFolder(snapshot).config.modelName).toBe("gemma-2-tiny");
    expect(openModelFolder(single).config.modelName).toBe("tiny-gemma2");
  });

  test("adds generation_config.json's end-of-turn tokens", () => {
    const folder = copyOf(single);
    writeFileSync(join(folder, "generation_config.json"), '{"eos_token_id":[1,107]}');
    expect(openModelFolder(folder).config.eosTokenIds).toEqual([1, 107]);
  });

  test("passes a saved lm_head on: its values decide whether it is tied", () => {
    const folder = copyOf(single);
    const file = join(folder, "model.safetensors");
    const bytes = readFileSync(file);
    const end = 8 + Number(bytes.readBigUInt64LE());
    const data = bytes.length - end;
    writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(128 * 48 * 4)]));
    const head = { dtype: "F32", shape: [128, 48], data_offsets: [data, data + 128 * 48 * 4] };
    editHeader(file, (header) => ({ ...header, "lm_head.weight": head }));
    const { tensors } = openModelFolder(folder);
    expect(tensors.size).toBe(47);
    expect(tensors.get("lm_head")?.shape).toEqual([128, 48]);
  });
});

describe("refuses before it reads any weight, naming file and tensor", () => {
  const q = "model.layers.1.self_attn.q_proj.weight";
  const index = "model.safetensors.index.json";
  const shard = "model-00001-of-00003.safetensors";

  /** A copy of the sharded checkpoint whose index maps a tensor to another file. */
  const sendTo = (file: unknown): string => {
    const folder = copyOf(sharded);
    edit(join(folder, index), (json) => ({
      ...json,
      weight_map: { ...(json["weight_map"] as Json), "model.norm.weight": file },
    }));
    return folder;
  };
  const withHeader = (change: (header: Json) => Json): string => {
    const folder = copyOf(single);
    editHeader(join(folder, "model.safetensors"), change);
    return folder;
  };
  const withConfig = (change: Json): string => {
    const folder = copyOf(single);
    edit(join(folder, "config.json"), (json) => ({ ...json, ...change }));
    return folder;
  };
  const reshape =
    (name: string, shape: number[]) =>
    (header: Json): Json => ({
      ...header,
      [name]: { ...(header[name] as Json), shape },
    });

  type Case = [string, () => string, ErrorCode, string];
  const escapes = [
    "../model.safetensors",
    "sub/model.safetensors",
    "/etc/model.safetensors",
    "..\\model.safetensors",
    "..",
    ".hidden.safetensors",
    "a\0.safetensors",
    "pytorch_model.bin",
  ];
  const cases: Case[] = [
    ["no folder", () => join(dir, "nowhere"), "NOT_FOUND", "nowhere: expected a model folder"],
    ["a file as folder", () => join(single, "config.json"), "NOT_FOUND", "expected a model folder"],
    [
      "no config.json",
      () => without(single, "config.json"),
      "NOT_FOUND",
      "config.json: expected a readable file",
    ],
    [
      "no weights",
      () => without(single, "model.safetensors"),
      "NOT_FOUND",
      "expected model.safetensors or",
    ],
    [
      "config.json truncated",
      () => cut(single, "config.json", 100),
      "CHECKPOINT",
      "config.json: expected valid JSON",
    ],
    ["config.json names a key twice", twice, "CHECKPOINT", 'for "head_dim", got the key twice'],
    ["config.json of 5 MB", () => padded(), "CHECKPOINT", "config.json: expected at most"],
    [
      "weights truncated",
      () => cut(single, "model.safetensors", -4),
      "CHECKPOINT",
      "file cut short",
    ],
    [
      "weights truncated in the header",
      () => cut(single, "model.safetensors", 300),
      "CHECKPOINT",
      "model.safetensors: expected",
    ],
    [
      "a missing tensor",
      () => withConfig({ num_hidden_layers: 5, layer_types: null }),
      "CHECKPOINT",
      "for layers.4.input_layernorm, got none",
    ],
    [
      "an extra layer",
      () => withConfig({ num_hidden_layers: 3, layer_types: null }),
      "CHECKPOINT",
      "for model.layers.3.input_layernorm.weight",
    ],
    ["an unknown tensor", () => withHeader(rename(q, `${q}.bias`)), "CHECKPOINT", `for ${q}.bias`],
    ["Gemma 3's norms in a Gemma 2", () => withConfig3(), "CHECKPOINT", "k_norm"],
    [
      "a tensor with two prefixes",
      () =>
        withHeader(
          rename("model.layers.0.self_attn.k_proj.weight", "layers.0.self_attn.v_proj.weight"),
        ),
      "CHECKPOINT",
      "each tensor under one name",
    ],
    [
      "a transposed shape",
      () => withHeader(reshape(q, [48, 64])),
      "CHECKPOINT",
      `expected shape [64,48] for ${q}, got [48,64]`,
    ],
    ["a different width", () => withConfig({ hidden_size: 64 }), "CHECKPOINT", "expected shape ["],
    [
      "a different vocabulary",
      () => withConfig({ vocab_size: 129 }),
      "CHECKPOINT",
      "expected shape [129,48] for model.embed_tokens.weight",
    ],
    [
      "whole numbers as weights",
      () => withHeader((header) => ({ ...header, [q]: { ...(header[q] as Json), dtype: "I32" } })),
      "CHECKPOINT",
      `expected float32, bfloat16 or float16 for ${q}, got int32`,
    ],
    [
      "an lm_head of another shape",
      () => withHeader(rename("model.layers.0.mlp.up_proj.weight", "lm_head.weight")),
      "CHECKPOINT",
      "expected shape [128,48] for lm_head.weight",
    ],
    [
      "a vision tower in a Gemma 2",
      () => withHeader(rename(q, "vision_tower.x.weight")),
      "CHECKPOINT",
      "for vision_tower.x.weight",
    ],
    [
      "a broken generation_config.json",
      () => replaced(single, "generation_config.json", '{"eos_token_id":"x"}'),
      "CHECKPOINT",
      "generation_config.json: expected a token id",
    ],
    // The index of a sharded checkpoint.
    [
      "index: broken",
      () => replaced(sharded, index, "{"),
      "CHECKPOINT",
      `${index}: expected valid JSON`,
    ],
    [
      "index: no weight_map",
      () => replaced(sharded, index, "{}"),
      "CHECKPOINT",
      `${index}: expected an object of file names for weight_map`,
    ],
    ...escapes.map(
      (name): Case => [
        `index: ${JSON.stringify(name)}`,
        () => sendTo(name),
        "CHECKPOINT",
        `${index}: expected plain *.safetensors names in the folder for weight_map, got `,
      ],
    ),
    [
      "index: a number",
      () => sendTo(7),
      "CHECKPOINT",
      `${index}: expected an object of file names for weight_map.model.norm.weight`,
    ],
    [
      "index: a tensor in the wrong shard",
      () => sendTo(shard),
      "CHECKPOINT",
      "expected the tensor where the index says",
    ],
    [
      "index: a missing shard",
      () => without(sharded, shard),
      "CHECKPOINT",
      `${index}: expected files that exist for weight_map, got "${shard}", missing`,
    ],
    ["index: a truncated shard", () => cut(sharded, shard, -2), "CHECKPOINT", `${shard}: expected`],
    [
      "index: a tensor missing in its shard",
      () => unlisted(true),
      "CHECKPOINT",
      "for model.extra.weight, got none",
    ],
    [
      "index: a tensor missing in the index",
      () => unlisted(false),
      "CHECKPOINT",
      "(no file) for model.norm.weight",
    ],
    ["index: the same shard twice", doubled, "CHECKPOINT", "expected a tensor in one shard"],
  ];

  test.each(cases)("%s", (_, make, code, part) => {
    const folder = make();
    let error: unknown;
    try {
      openModelFolder(folder);
    } catch (thrown) {
      error = thrown;
    }
    expect(GemlensError.is(error), String(error)).toBe(true);
    const { code: got, message } = error as GemlensError;
    expect(got, message).toBe(code);
    expect(message).toContain(part);
    expect(message).toContain(folder);
  });

  function without(folder: string, file: string): string {
    const copy = copyOf(folder);
    rmSync(join(copy, file));
    return copy;
  }
  function replaced(folder: string, file: string, text: string): string {
    const copy = copyOf(folder);
    writeFileSync(join(copy, file), text);
    return copy;
  }
  function cut(folder: string, file: string, at: number): string {
    const copy = copyOf(folder);
    const path = join(copy, file);
    truncateSync(path, at < 0 ? readFileSync(path).length + at : at);
    return copy;
  }
  function twice(): string {
    const text = readFileSync(join(single, "config.json"), "utf8");
    return replaced(single, "config.json", text.replace("{", '{"head_dim": 8,'));
  }
  function padded(): string {
    const text = readFileSync(join(single, "config.json"), "utf8");
    return replaced(single, "config.json", text.padEnd(5_000_000));
  }
  function withConfig3(): string {
    const copy = copyOf(join(fixtures, "tiny-gemma3"));
    edit(join(copy, "config.json"), (json) => ({
      ...json,
      model_type: "gemma2",
      rope_parameters: null,
    }));
    return copy;
  }
  function unlisted(more: boolean): string {
    const copy = copyOf(sharded);
    edit(join(copy, index), (json) => {
      const { "model.norm.weight": norm, ...rest } = json["weight_map"] as Json;
      const map = more ? { ...rest, "model.norm.weight": norm, "model.extra.weight": shard } : rest;
      return { ...json, weight_map: map };
    });
    return copy;
  }
  function doubled(): string {
    const copy = copyOf(sharded);
    linkSync(join(copy, shard), join(copy, "again.safetensors"));
    edit(join(copy, index), (json) => ({
      ...json,
      weight_map: { ...(json["weight_map"] as Json), "model.extra.weight": "again.safetensors" },
    }));
    return copy;
  }
});
