import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import { describe, expect, test } from "vitest";
import { HookedTransformer, openCoderFile, openModelFolder, Tokenizer } from "../../lib/index.js";
import { failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";
import { modelCopy, readRaw, writeRaw } from "../support/raw-checkpoint.js";
import { f4, npy, zip } from "./zip.js";

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 4988025760\n`;
const page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";
const tar = Buffer.alloc(1024);
tar.write("ustar", 257, "latin1");
const torch = Buffer.concat([
  Buffer.from("PK\x03\x04", "latin1"),
  Buffer.alloc(26),
  Buffer.from("archive/data.pkl"),
  Buffer.alloc(40),
]);

/** Contents found in place of a file, and the words that the error must contain. */
const contents: readonly (readonly [string, string | Buffer, RegExp])[] = [
  ["an LFS pointer", pointer, /Git LFS pointer.*4988025760/],
  ["a login page", page, /web page/],
  ["a page after white space", `\n\n${page.toLowerCase()}`, /web page/],
  ["a storage service's XML", '<?xml version="1.0"?><Error/>', /web page/],
  ["a 404's text", "Entry not found", /server.*Entry not found/],
  ["a gated repository's text", "Access to model google/gemma-2-2b is restricted", /server/],
  ["an error in JSON", '{"error":"Repository not found"}', /server|model_type/],
  ["nothing", "", /empty/],
  ["gzip", zlib.gzipSync("x"), /gzip/],
  ["tar", tar, /tar archive/],
  ["GGUF", Buffer.from("GGUF\x03\0\0\0"), /GGUF/],
  ["a PyTorch file", torch, /PyTorch/],
  ["a pickle", Buffer.from("\x80\x02}q\0.", "latin1"), /pickle/],
  ["HDF5", Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), /HDF5/],
  ["a NumPy array", npy(f4("(4,)"), Buffer.alloc(16)), /NumPy array/],
];

function tokenizerFolder(): string {
  const dir = newFolder();
  cpSync(fixture("tokenizer"), dir, { recursive: true });
  return dir;
}
function coderFolder(): string {
  const dir = newFolder();
  cpSync(fixture("gs2/resid_post/layer_2_width_16k_l0_small"), dir, { recursive: true });
  return dir;
}
const indexed = (): string => {
  const dir = newFolder();
  cpSync(fixture("checkpoints/gemma2-sharded-bf16"), dir, { recursive: true });
  return dir;
};
const shardOf = (dir: string) => readdirSync(dir).find((name) => /-00002-of-/.test(name)) as string;
const npzFolder = (): string => {
  const dir = newFolder();
  writeFileSync(join(dir, "params.npz"), "");
  return dir;
};

type FileCase = readonly [
  name: string,
  make: () => string,
  file: (dir: string) => string,
  open: (dir: string) => unknown,
];
const fileCases: readonly FileCase[] = [
  ["model.safetensors", modelCopy, () => "model.safetensors", openModelFolder],
  ["config.json", modelCopy, () => "config.json", openModelFolder],
  ["a shard", indexed, shardOf, openModelFolder],
  ["the index", indexed, () => "model.safetensors.index.json", openModelFolder],
  [
    "tokenizer.json",
    tokenizerFolder,
    () => "tokenizer.json",
    (dir) => Tokenizer.fromFolder(dir).vocabSize,
  ],
  [
    "tokenizer_config.json",
    tokenizerFolder,
    () => "tokenizer_config.json",
    (dir) => Tokenizer.fromFolder(dir).vocabSize,
  ],
  ["params.npz", npzFolder, () => "params.npz", openCoderFile],
  ["params.safetensors", coderFolder, () => "params.safetensors", openCoderFile],
  ["a coder's config.json", coderFolder, () => "config.json", openCoderFile],
];

describe.each(fileCases)("in place of %s", (_, make, file, open) => {
  test.each(contents)("refuses %s", async (what, content, words) => {
    const dir = make();
    const name = file(dir);
    writeFileSync(join(dir, name), content);
    const error = await failure(() => open(dir));
    expect(error.code).toBe(/tokenizer/.test(name) ? "TOKENIZER" : "CHECKPOINT");
    expect(error.message).toContain(name);
    // Any JSON parses, so the error names the missing keys.
    const isJson = what === "an error in JSON" && name.endsWith(".json");
    if (!isJson) expect(error.message).toMatch(words);
  });

  test("refuses a link whose target is missing, also for an optional file", async () => {
    const dir = make();
    const name = file(dir);
    rmSync(join(dir, name));
    symlinkSync("../../blobs/0123", join(dir, name));
    const error = await failure(() => open(dir));
    expect(error.message).toMatch(/link whose target is missing|missing .*hf download/);
    expect(error.message).toContain(name);
  });

  test("refuses a folder in place of a file", async () => {
    const dir = make();
    const name = file(dir);
    rmSync(join(dir, name));
    mkdirSync(join(dir, name));
    const error = await failure(() => open(dir));
    expect(error.message).toContain(name);
    expect(error.message).toMatch(/folder/);
  });
});

describe("refuses a dangling link in place of an optional file", () => {
  test.each(["generation_config.json"])("%s", async (name) => {
    const dir = modelCopy();
    symlinkSync("../../blobs/0123", join(dir, name));
    expect((await failure(() => openModelFolder(dir))).message).toContain("link whose target");
  });
  test.each(["tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"])(
    "%s",
    async (name) => {
      const dir = tokenizerFolder();
      rmSync(join(dir, name), { force: true });
      symlinkSync("../../blobs/0123", join(dir, name));
      const error = await failure(() => Tokenizer.fromFolder(dir).vocabSize);
      expect([error.code, error.message]).toEqual([
        "TOKENIZER",
        expect.stringContaining("link whose target"),
      ]);
    },
  );
  test("refuses a chat template that is an LFS pointer or a web page", async () => {
    for (const text of [pointer, page]) {
      const dir = tokenizerFolder();
      writeFileSync(join(dir, "chat_template.jinja"), text);
      const error = await failure(() => Tokenizer.fromFolder(dir).vocabSize);
      expect(error.message).toMatch(/LFS pointer|web page/);
    }
  });
});

describe("describes a folder without weights", () => {
  const weights = "model.safetensors";
  const holding = (...names: string[]): string => {
    const dir = modelCopy();
    rmSync(join(dir, weights));
    for (const name of names) {
      mkdirSync(join(dir, name, ".."), { recursive: true });
      writeFileSync(join(dir, name), "x");
    }
    return dir;
  };
  test.each<[string[], string, RegExp]>([
    [["pytorch_model.bin"], "UNSUPPORTED", /pytorch_model\.bin.*save_pretrained/],
    [["pytorch_model.bin.index.json"], "UNSUPPORTED", /pytorch_model.*save_pretrained/],
    [["gemma-2-2b-Q4_K_M.gguf"], "UNSUPPORTED", /gguf.*llama\.cpp.*safetensors/],
    [["consolidated.00.pth"], "UNSUPPORTED", /original release/],
    [["model.ckpt"], "UNSUPPORTED", /pickles/],
    [["tf_model.h5"], "UNSUPPORTED", /TensorFlow/],
    [["flax_model.msgpack"], "UNSUPPORTED", /Flax/],
    [["gemma.zip"], "UNSUPPORTED", /unpack/],
    [["model-00001-of-00002.safetensors"], "NOT_FOUND", /index\.json/],
    [["gemma.safetensors"], "NOT_FOUND", /gemma\.safetensors.*rename/],
    [["model.safetensors.incomplete"], "NOT_FOUND", /not complete.*hf download/],
    [[".cache/huggingface/download/abc.incomplete"], "NOT_FOUND", /not complete/],
    [[], "NOT_FOUND", /neither/],
  ])("%j", async (names, code, words) => {
    const error = await failure(() => openModelFolder(holding(...names)));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
  });

  test("refuses an adapter, alone or next to weights", async () => {
    const config = JSON.stringify({
      peft_type: "LORA",
      base_model_name_or_path: "google/gemma-2-2b",
    });
    const alone = newFolder();
    writeFileSync(join(alone, "adapter_config.json"), config);
    const withWeights = modelCopy();
    writeFileSync(join(withWeights, "adapter_config.json"), config);
    const weightsOnly = newFolder();
    writeFileSync(join(weightsOnly, "adapter_model.bin"), "x");
    for (const dir of [alone, withWeights, weightsOnly]) {
      const error = await failure(() => openModelFolder(dir));
      expect([error.code, error.message]).toEqual([
        "UNSUPPORTED",
        expect.stringMatching(/LoRA adapter.*merge/),
      ]);
    }
    expect((await failure(() => openModelFolder(alone))).message).toContain("google/gemma-2-2b");
  });

  test("names shards that the index lists and the folder lacks", async () => {
    const dir = indexed();
    rmSync(join(dir, shardOf(dir)));
    const error = await failure(() => openModelFolder(dir));
    expect(error.message).toMatch(/00002.*missing \(1 of 3.*hf download/);
  });

  test("suggests the right folder if config.json is missing", async () => {
    const dir = newFolder();
    cpSync(modelCopy(), join(dir, "checkpoint-500"), { recursive: true });
    const error = await failure(() => openModelFolder(dir));
    expect([error.code, error.message]).toEqual([
      "NOT_FOUND",
      expect.stringContaining("checkpoint-500"),
    ]);
  });

  test("refuses a folder with only tokenizer.model", async () => {
    const dir = newFolder();
    writeFileSync(join(dir, "tokenizer.model"), "x");
    const error = await failure(() => Tokenizer.fromFolder(dir).vocabSize);
    expect([error.code, error.message]).toEqual([
      "TOKENIZER",
      expect.stringMatching(/tokenizer\.json.*tokenizer\.model.*save_pretrained/),
    ]);
  });
});

describe("refuses a path of the wrong kind", () => {
  test.each<[string, Buffer | string, RegExp]>([
    ["gemma.zip", Buffer.from("PK\x03\x04xxxx"), /zip archive.*unpack/],
    ["gemma.tar", tar, /tar archive.*unpack/],
    ["gemma.gguf", "GGUF", /GGUF/],
    ["model.safetensors", "x", /give .*folder|give \//],
  ])("%s as a model or a coder", async (name, content, words) => {
    const path = join(newFolder(), name);
    writeFileSync(path, content);
    const error = await failure(() => HookedTransformer.fromPretrained(path));
    expect(error.message).toContain(name);
    expect(error.message).toMatch(words);
    if (name.endsWith(".safetensors")) return;
    expect((await failure(() => openCoderFile(path))).message).toMatch(words);
  });

  test("a zip of other files named .npz", async () => {
    const file = zip(join(newFolder(), "params.npz"), [
      { name: "a/params.npz", content: Buffer.from("x") },
    ]);
    expect((await failure(() => openCoderFile(file))).message).toMatch(/unpack/);
  });

  test("a safetensors file named .npz, and a bare array", async () => {
    const dir = newFolder();
    const raw = readRaw(join(coderFolder(), "params.safetensors"));
    const file = writeRaw(join(dir, "params.npz"), raw);
    expect((await failure(() => openCoderFile(file))).message).toMatch(/safetensors/);
  });
});

describe("compressed archives", () => {
  test.each([2, 5, 20])("load at %i to 1: every member has the size in its header", (ratio) => {
    const [d, f] = [64, 256];
    // One element in `ratio` is nonzero.
    const array = (count: number): Buffer => {
      const bytes = Buffer.alloc(4 * count);
      for (let i = 0; i < count; i += ratio)
        bytes.writeFloatLE(Math.fround(Math.sin(i) + 1.5), 4 * i);
      return bytes;
    };
    const shapes = { W_enc: [d, f], W_dec: [f, d], b_enc: [f], b_dec: [d], threshold: [f] };
    // Above the megabyte that small archives may always use.
    const many = {
      ...shapes,
      W_enc: [d, 64 * f],
      W_dec: [64 * f, d],
      b_enc: [64 * f],
      threshold: [64 * f],
    };
    const members = Object.entries(many).map(([name, shape]) => ({
      name: `${name}.npy`,
      content: npy(
        f4(`(${shape.map((n) => `${n},`).join(" ")})`),
        array(shape.reduce((a, b) => a * b, 1)),
      ),
      deflate: true,
    }));
    const file = zip(join(newFolder(), "params.npz"), members);
    expect(openCoderFile(file).dSae).toBe(64 * f);
  });
});
