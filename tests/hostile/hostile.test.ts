import { lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { GemlensError, Tokenizer } from "../../lib/index.js";
import { fuzz } from "../fuzz/drive.js";
import { type Finding, readFinding, saveFinding } from "../fuzz/finding.js";
import { inputsOf } from "../fuzz/input.js";
import { PeakMemory } from "../fuzz/peak-memory.js";
import { npz } from "../fuzz/tiny-files.js";
import { newFolder } from "../support/folder.js";
import {
  config,
  type HostileCase,
  model,
  openArchive,
  openModel,
  openWeights,
  params,
  put,
  soundParams2,
  weights,
} from "./case.js";
import { configCases } from "./config-cases.js";
import { foundCases } from "./found-cases.js";
import { npzCases } from "./npz-cases.js";
import { safetensorsCases } from "./safetensors-cases.js";
import { templateCases } from "./template-cases.js";
import { tokenizerCases } from "./tokenizer-cases.js";

let root: string;
beforeAll(() => {
  root = newFolder();
});

const folder = (): string => mkdtempSync(join(root, "case-"));

/** The error from opening it; fails if there is none. */
function refusal(hostile: Pick<HostileCase, "name" | "open">, at: string): unknown {
  try {
    hostile.open(at);
  } catch (error) {
    return error;
  }
  throw new Error(`${hostile.name}: expected a refusal, got a result`);
}

const tinyTokenizer = JSON.stringify({
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]] },
  added_tokens: [{ id: 3, content: "<bos>", special: true }],
  normalizer: { type: "Replace", pattern: { String: " " }, content: "\u2581" },
  decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] },
});
const openTokenizer = (at: string) => Tokenizer.fromFolder(at).encode("ab", { prependBos: false });

const longestMs = 2000;
// An allowance for the garbage collector; the test looks for a hundred times as much.
const floor = 16 * 2 ** 20;

const bytesIn = (at: string): number =>
  readdirSync(at, { recursive: true })
    .map((name) => lstatSync(join(at, String(name))))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);

/** Bytes above those in use before, the least of eight tries: a scavenge may come at any time. */
function memoryOf(hostile: HostileCase, at: string, limit: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 8 && least > limit; tries++) {
    globalThis.gc?.();
    const memory = new PeakMemory();
    refusal(hostile, at);
    least = Math.min(least, memory.growth());
  }
  return least;
}

describe.each([
  ["safetensors", safetensorsCases],
  ["npz", npzCases],
  ["config.json", configCases],
  ["tokenizer", tokenizerCases],
  ["chat template", templateCases],
  ["found by the fuzzer", foundCases],
])("%s: refuses, naming file and field", (_, cases) => {
  test.each(cases.map((hostile) => [hostile.name, hostile] as const))("%s", (_name, hostile) => {
    const at = folder();
    hostile.write(at);
    const started = process.cpuUsage();
    const error = refusal(hostile, at);
    const { user, system } = process.cpuUsage(started);
    expect(GemlensError.is(error), String((error as Error).stack)).toBe(true);
    const { code, message, fields } = error as GemlensError;
    expect(code, message).toBe(hostile.code);
    expect(message.startsWith(`${join(at, hostile.file)}: expected `), message).toBe(true);
    expect(message).toContain(` for ${hostile.field}, got `);
    expect(message.length - at.length).toBeLessThan(700);
    expect(message).toMatch(/^[^\p{Cc}\p{Surrogate}\u2028-\u202e]*$/u);
    expect(fields).toMatchObject({ file: join(at, hostile.file), field: hostile.field });
    expect((user + system) / 1000).toBeLessThan(longestMs);
    const limit = 2 * bytesIn(at) + floor;
    expect(memoryOf(hostile, at, limit)).toBeLessThan(limit);
    rmSync(at, { recursive: true });
  });
});

describe("refuses a file truncated at every byte", () => {
  const shapes = { W_enc: [4, 6], b_enc: [6] };
  test.each([
    [weights, soundParams2, openWeights],
    [params, npz(shapes), openArchive],
    [`deflated ${params}`, npz(shapes, true), openArchive],
    ["config.json", Buffer.from(config({})), openModel],
    ["tokenizer.json", Buffer.from(tinyTokenizer), openTokenizer],
  ])("%s", (what, whole, open) => {
    const at = folder();
    const file = what.split(" ").at(-1) as string;
    const code = file === "tokenizer.json" ? "TOKENIZER" : "CHECKPOINT";
    model(put(file, whole))(at);
    expect(() => open(at)).not.toThrow();
    for (let length = 0; length < whole.length; length++) {
      put(file, whole.subarray(0, length))(at);
      const error = refusal({ name: `${length} bytes`, open }, at);
      expect(GemlensError.is(error, code), `${length}: ${error}`).toBe(true);
      expect((error as Error).message).toContain(join(at, file));
    }
  });
});

describe("accepts files that only look hostile", () => {
  test("prototype keys in a config, which change nothing", () => {
    const at = folder();
    model(put("config.json", config({}).replace("{", '{"__proto__":{"head_dim":2},"toString":1,')))(
      at,
    );
    expect(openModel(at).config.dHead).toBe(4);
    expect(({} as Record<string, unknown>)["head_dim"]).toBeUndefined();
  });

  test("100,000 additional special tokens, which take no extra time", () => {
    const at = folder();
    const tokens = Array.from({ length: 100_000 }, (_, i) => `<${i}>`);
    put("tokenizer.json", tinyTokenizer)(at);
    put("tokenizer_config.json", JSON.stringify({ additional_special_tokens: tokens }))(at);
    const started = process.cpuUsage();
    openTokenizer(at);
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(longestMs);
  });
});

describe("survives randomly changed files", () => {
  // 10,000 files in all; tests/fuzz/main.ts runs the same without a limit.
  test.concurrent.each([
    ["safetensors", 2800],
    ["npz", 2800],
    ["config", 2800],
    ["tokenizer", 1600],
  ] as const)(
    "%s: %i of them",
    async (format, inputs) => {
      const report = await fuzz({ format, seed: 14, inputs, nativeShare: 0.04 });
      expect(report.findings.map(({ index, problem }) => `${index}: ${problem}`)).toEqual([]);
      expect(report.inputs).toBe(inputs);
      const { opened = 0, ...refused } = report.outcomes;
      // The counts show that the files are neither pure noise nor still valid.
      expect(opened).toBeGreaterThan(inputs / 100);
      expect(Object.values(refused).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(inputs / 2);
    },
    600_000,
  );

  test("turns an input that takes too long into a finding that replays", async () => {
    const { findings } = await fuzz({ format: "npz", seed: 14, inputs: 3, slowestMs: 0 });
    expect(findings).toHaveLength(3);
    const path = saveFinding(folder(), findings[2] as Finding);
    expect(readFinding(path).input.changed).toEqual(inputsOf("npz", 14, 0)(2).changed);
    expect(findings[2]?.problem).toMatch(/^took \d+ ms$/);
  });
});
