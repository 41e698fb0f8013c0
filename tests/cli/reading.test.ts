import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluateCoder, HookedTransformer, SAE } from "../../lib/index.js";
import { bundled, heldOut } from "../support/bundled.js";
import { gemlens } from "../support/cli.js";
import { device } from "../support/compare.js";
import { newFolder } from "../support/folder.js";

// Compares the commands that inspect a model and evaluate coders with the library on the same ones.
const prompt = "Leo lives in Osaka. He speaks";

let model: HookedTransformer;
let folder: string;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  folder = newFolder();
});
afterAll(async () => {
  await model?.dispose();
});

const run = (command: string, ...args: string[]) => gemlens([command, "--device", device, ...args]);

/** A command's output with --json, parsed. */
async function json<T>(command: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(command, ...args, "--json");
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as T;
}

describe("gemlens lens", () => {
  test("ends in the model's own prediction, layer by layer and token by token", async () => {
    interface Output {
      readonly tokens: { id: number }[];
      readonly layers: {
        layer: number;
        positions: { position: number; top: { id: number; logprob: number }[] }[];
      }[];
    }
    const out = await json<Output>("lens", prompt);
    expect(out.layers.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    using logits = await model.forward(prompt);
    using logprobs = logits.logSoftmax(-1);
    const values = await logprobs.read("float32");
    const { dVocab } = model.cfg;
    for (const { position, top } of out.layers.at(-1)?.positions ?? []) {
      const row = values.subarray(position * dVocab, (position + 1) * dVocab);
      expect(top[0]?.id).toBe(row.indexOf(Math.max(...row)));
      expect(top[0]?.logprob).toBeCloseTo(Math.max(...row), 3);
    }
    const { stdout } = await run("lens", prompt);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBe(1 + out.tokens.length);
    expect(lines[0]).toMatch(/^ +layer 0 +layer 1 +layer 2 +layer 3$/);
    const best = out.layers.at(-1)?.positions.at(-1)?.top[0];
    const percent = Math.round(100 * Math.exp(best?.logprob as number));
    expect(lines.at(-1)).toMatch(
      new RegExp(`${JSON.stringify(model.decode(best?.id as number))} ${percent}$`),
    );
  });
});

describe("gemlens lens --target", () => {
  interface Score {
    readonly id: number;
    readonly logit: number;
    readonly rank: number;
  }
  interface Output {
    readonly layers: { positions: { target: Score & { minus?: Score } }[] }[];
  }

  test("reports one token's rank, or the difference of two logits", async () => {
    const out = await json<Output>("lens", "--target", " Japanese", "--target", " German", prompt);
    const last = out.layers.at(-1)?.positions.at(-1)?.target;
    using logits = await model.forward(prompt, { positions: [-1] });
    const values = await logits.read("float32");
    const [more, less] = [" Japanese", " German"].map((text) => model.toSingleToken(text));
    expect([last?.id, last?.minus?.id]).toEqual([more, less]);
    const gap = (values[more as number] as number) - (values[less as number] as number);
    expect((last?.logit as number) - (last?.minus?.logit as number)).toBeCloseTo(gap, 3);
    const { stdout } = await run("lens", "--target", " Japanese", "--target", " German", prompt);
    expect(stdout.trimEnd().endsWith(`+${gap.toFixed(2)}`)).toBe(true);
    const former = await json<Output>("lens", "--token", " Japanese", prompt);
    expect(former.layers.at(-1)?.positions.at(-1)?.target.rank).toBe(last?.rank);
  });
});

describe("gemlens evaluate", () => {
  interface Output {
    readonly corpus: string;
    readonly coders: {
      hookName: string;
      tokens: number;
      l0: number;
      fvu: number;
      lossRecovered: { zero: number };
      density: number[];
    }[];
  }

  test("evaluates coders on a corpus as the library does", async () => {
    const texts = heldOut(0, 12);
    const corpus = join(folder, "corpus.jsonl");
    const lines = texts.map((text, i) => JSON.stringify(i % 2 === 0 ? text : { text }));
    writeFileSync(corpus, `${lines.join("\n")}\n\n`);
    const out = await json<Output>("evaluate", corpus, "--layer", "2", "--layer", "0");
    using sae = await SAE.fromFile(bundled(2), { device });
    const want = await evaluateCoder(model, sae, texts);
    expect(out.corpus).toBe(corpus);
    expect(out.coders.map(({ hookName }) => hookName)).toEqual([
      "blocks.2.hook_resid_post",
      "blocks.0.hook_resid_post",
    ]);
    const [got] = out.coders;
    expect(got?.tokens).toBe(want.tokens);
    expect(got?.l0).toBeCloseTo(want.l0, 6);
    expect(got?.fvu).toBeCloseTo(want.fvu, 5);
    expect(got?.lossRecovered.zero).toBeCloseTo(want.lossRecovered.zero, 4);
    expect(got?.density.length).toBe(1024);
  });

  test("prints a table on the held-out text, with another coder too", async () => {
    const { code, stdout } = await run(
      ...["evaluate", "--sae", bundled(1, "transcoders"), "--max-tokens", "800"],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ +transcoder\/1$/m);
    const fvu = Number(/^variance unexplained \(FVU\) +(\S+)$/m.exec(stdout)?.[1]);
    expect(fvu).toBeGreaterThan(0);
    expect(fvu).toBeLessThan(0.3);
    expect(Number(/^tokens +(\d+)$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(800);
  });

  test("names the line of a corpus that is not a document", async () => {
    const corpus = join(folder, "bad.jsonl");
    writeFileSync(corpus, '"fine"\n{"txt": "no text"}\n');
    const { code, stdout, stderr } = await run("evaluate", corpus);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`expected a string or an object with text in line 2 of ${corpus}`);
  });

  test("refuses a corpus that is not UTF-8, and accepts a last line without a line end", async () => {
    const corpus = join(folder, "latin1.txt");
    writeFileSync(corpus, Buffer.from("One sunny day\ncaf\xe9\n", "latin1"));
    const { code, stdout, stderr } = await run("evaluate", corpus);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`expected UTF-8 text in ${corpus}`);

    const whole = join(folder, "whole.txt");
    writeFileSync(whole, "One sunny day\r\n\nLily saw");
    const out = await run("evaluate", whole);
    const tokens = ["One sunny day", "Lily saw"].map((text) => model.toTokens(text).ids.length - 1);
    expect(Number(/^tokens +(\d+)$/m.exec(out.stdout)?.[1])).toBe(
      (tokens[0] ?? 0) + (tokens[1] ?? 0),
    );
  });
});
