import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, SAE } from "../../lib/index.js";
import { assets, bundled } from "../support/bundled.js";
import { gemlens } from "../support/cli.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const text = "One sunny day, Lily saw a red bird.";

interface Listed {
  readonly position: number;
  readonly id: number;
  readonly text: string;
}

let model: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
});
afterAll(() => model?.dispose());

describe("gemlens tokens", () => {
  const expected = JSON.parse(readFileSync(fixture("tokenizer/expected.json"), "utf8")) as {
    cases: { text: string; idsWithBos: number[]; ids: number[]; strTokens: string[] }[];
  };
  const folder = ["--model", fixture("tokenizer")];

  test("gives Hugging Face's ids for text on standard input, without its last line end", async () => {
    const cases = expected.cases.filter(({ text }) => text.length < 60 && !text.endsWith("\r"));
    for (const one of [cases[2], cases.at(-1)]) {
      const { text, idsWithBos, strTokens } = one as (typeof cases)[number];
      const run = await gemlens(["tokens", ...folder, "--json"], { input: `${text}\n` });
      expect([run.code, run.stderr]).toEqual([0, ""]);
      const { tokens } = JSON.parse(run.stdout) as { tokens: Listed[] };
      expect(tokens.map(({ id }) => id)).toEqual(idsWithBos);
      expect(tokens.slice(1).map(({ text }) => text)).toEqual(strTokens);
      expect(tokens.map(({ position }) => position)).toEqual([...idsWithBos.keys()]);
    }
  });

  test("takes several words as one text, and omits the BOS on request", async () => {
    const run = await gemlens(["tokens", "--no-bos", "--json", "The", "red  car"]);
    const { tokens } = JSON.parse(run.stdout) as { tokens: Listed[] };
    const { ids } = model.toTokens("The red  car", { prependBos: false });
    expect(tokens.map(({ id }) => id)).toEqual([...ids]);
  });

  test("prints one line per token, also for a token with a line end", async () => {
    const { stdout } = await gemlens(["tokens", "a\nb"]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^position +id +token$/);
    expect(lines.length).toBe(1 + model.toStrTokens("a\nb").length);
    expect(stdout).toContain('"\\n"');
  });
});

describe("gemlens features", () => {
  interface Output {
    readonly coder: { readonly path: string; readonly hookName: string; readonly dSae: number };
    readonly tokens: (Listed & {
      readonly features: { feature: number; value: number; name?: string }[] | null;
    })[];
  }

  test("lists the strongest features of each token, as in the dense encoding", async () => {
    const path = bundled(1);
    using sae = await SAE.fromFile(path, { device });
    using run = await model.runWithCache(text, { names: ["blocks.1.hook_resid_post"] });
    using acts = await sae.encode(run.cache.get("blocks.1.hook_resid_post"));
    using dense = await acts.toDense();
    const values = (await dense.read()) as Float32Array;
    const out = await gemlens([
      ..."features --layer 1 --top 3 --json --device".split(" "),
      device,
      text,
    ]);
    expect([out.code, out.stderr]).toEqual([0, ""]);
    const { coder, tokens } = JSON.parse(out.stdout) as Output;
    expect(coder).toMatchObject({ path, hookName: "blocks.1.hook_resid_post", dSae: 1024 });
    expect(tokens.map(({ text }) => text)).toEqual(model.toStrTokens(text));
    expect(tokens[0]?.features).toBeNull();
    for (const { position, features } of tokens.slice(1)) {
      const row = values.subarray(position * 1024, (position + 1) * 1024);
      const order = [...row.entries()].filter(([, v]) => v > 0).sort((a, b) => b[1] - a[1]);
      const best = order.slice(0, 3);
      expect(features?.map(({ feature }) => feature)).toEqual(best.map(([feature]) => feature));
      features?.forEach(({ value }, i) => {
        expect(value).toBeCloseTo(best[i]?.[1] ?? Number.NaN, 3);
      });
    }
  });

  test("names features by the bundled table, and only for the bundled coders", async () => {
    const table = JSON.parse(readFileSync(join(assets, "features.json"), "utf8")) as {
      class: string;
      relation: string;
      layer: number;
      index: number;
      coder: string;
    }[];
    const known = table.find(
      ({ class: name, relation }) => name === "colours" && relation === "token",
    );
    if (known === undefined) throw new Error("features.json has no feature for colours");
    const layer = String(known.layer);
    const out = await gemlens(["features", "--layer", layer, "--top", "99", "--json", text]);
    const { tokens } = JSON.parse(out.stdout) as Output;
    const red = tokens.find((token) => token.text === " red");
    expect(red?.features?.find(({ feature }) => feature === known.index)?.name).toContain(
      "colours",
    );
    const all = tokens.flatMap(({ features }) => features ?? []);
    const named = new Set(
      table.filter(({ coder }) => join(assets, coder) === bundled(known.layer)).map((x) => x.index),
    );
    for (const { feature, name } of all) expect(name !== undefined).toBe(named.has(feature));
  });

  test("accepts another coder with --sae, also a transcoder", async () => {
    const out = await gemlens(["features", "--sae", bundled(0, "transcoders"), text]);
    expect(out.code).toBe(0);
    expect(out.stderr).toContain("blocks.0.ln2.hook_normalized");
    expect(out.stdout.trimEnd().split("\n").length).toBe(model.toStrTokens(text).length);
  });
});

describe("gemlens generate", () => {
  const prompt = "One sunny day, Lily";

  test("continues greedily as forward passes over the growing text do", async () => {
    const ids = [...model.toTokens(prompt).ids];
    for (let i = 0; i < 8; i++) {
      using logits = await model.forward(ids, { positions: [-1] });
      ids.push(Number(logits.argmax().item()));
    }
    const added = ids.slice(-8);
    const want = model.decode(added);
    const options = "--temperature 0 --max-new-tokens 8".split(" ");
    const plain = await gemlens(["generate", ...options, prompt]);
    expect([plain.code, plain.stdout]).toEqual([0, `${want}\n`]);
    expect(plain.stderr).toMatch(/^gemlens: 8 tokens in .* seed \d+\n$/);
    const json = await gemlens(["generate", ...options, "--json", prompt]);
    const lines = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, -1).map(({ id }) => id)).toEqual(added);
    expect(
      lines
        .slice(0, -1)
        .map(({ text }) => text)
        .join(""),
    ).toBe(want);
    expect(lines.at(-1)).toMatchObject({ prompt, text: want, tokens: 8 });
  });

  test("repeats a draw for its seed, and ends before a stop text", async () => {
    const draw = (...more: string[]) =>
      gemlens(["generate", "--max-new-tokens", "60", ...more, prompt]);
    const first = await draw("--seed", "7");
    expect((await draw("--seed", "7")).stdout).toBe(first.stdout);
    expect((await draw("--seed", "8")).stdout).not.toBe(first.stdout);
    expect(first.stdout).toContain(".");
    const upTo = first.stdout.slice(0, first.stdout.indexOf("."));
    const stopped = await draw("--seed", "7", "--stop", "!", "--stop", ".");
    expect(stopped.stdout).toBe(`${upTo.split("!")[0]}\n`);
  });
});

describe("the command line", () => {
  test.each([
    [["tokens", "--frob", "x"], 2, "unknown option '--frob'"],
    [["generate", "--top-p", "2", "x"], 2, "Expected a number above 0, at most 1."],
    [["generate", "--max-new-tokens", "1.5", "x"], 2, "Expected a whole number of at least 0."],
    [["features", "--layer", "1", "--sae", "x.npz", "x"], 2, "--layer chooses a bundled SAE"],
    [["features", "--model", "elsewhere", "x"], 2, "--sae is needed with --model elsewhere"],
    [
      ["features", "--layer", "9", "x"],
      1,
      "gemlens: NOT_FOUND: bundledCoder: expected one of 0, 1, 2, 3",
    ],
    [["features", "--sae", "none.npz", "x"], 1, "gemlens: NOT_FOUND: "],
    [["tokens", "--model", "elsewhere", "x"], 1, "gemlens: NOT_FOUND: "],
    [["generate", "--device", "tpu", "x"], 1, "gemlens: DEVICE: "],
  ])("%j ends with %i and a reason", async (args, code, message) => {
    const run = await gemlens(args);
    expect([run.code, run.stdout]).toEqual([code, ""]);
    expect(run.stderr).toContain(message);
    expect(run.stderr).not.toMatch(/^ +at /m);
  });

  test("adds the stack under GEMLENS_DEBUG", async () => {
    const run = await gemlens(["tokens", "--model", "elsewhere", "x"], {
      env: { GEMLENS_DEBUG: "1" },
    });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^ +at .*resolve-model/m);
    expect(run.stderr).toContain("NOT_FOUND");
  });

  test("ends quietly when its reader has closed the pipe", async () => {
    const args = ["tokens", "--model", fixture("tokenizer")];
    const input = "One sunny day Lily saw a red bird. ".repeat(3000);
    const whole = await gemlens(args, { input });
    const cut = await gemlens(args, { input, closeAfter: 100 });
    expect([whole.code, cut.code, cut.stderr]).toEqual([0, 0, ""]);
    expect(cut.stdout.length).toBeLessThan(whole.stdout.length / 2);
  });
});

describe("gemlens demo", () => {
  test("shows text, tokens, named features, a steered continuation, timings and next steps", async () => {
    const { code, stdout, stderr } = await gemlens(["demo", "--device", device]);
    expect([code, stderr]).toEqual([0, ""]);
    const headings = stdout.match(/^(\d\. .*|Next)$/gm)?.map((line) => line.slice(0, 2));
    expect(headings).toEqual(["1.", "2.", "3.", "4.", "5.", "Ne"]);
    expect(stdout).not.toContain("\x1b");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });

  test("steers its text towards the class that it names", async () => {
    const { stdout, stderr } = await gemlens(["demo", "--json", "--device", device]);
    expect(stderr).toBe("");
    const out = JSON.parse(stdout) as {
      prompt: string;
      text: string;
      tokens: string[];
      features: { name: string | null; tokens: string[] }[];
      steered: { name: string; plain: string; steered: { alpha: number; text: string }[] };
      timings: Record<string, number>;
    };
    expect(out.text.startsWith(out.prompt)).toBe(true);
    expect(out.tokens.slice(1).join("")).toBe(out.text);
    expect(out.features.filter(({ name }) => name !== null).length).toBeGreaterThanOrEqual(3);
    for (const { tokens } of out.features) {
      for (const token of tokens) expect(out.tokens).toContain(token);
    }
    const { name, plain, steered } = out.steered;
    const classes = JSON.parse(readFileSync(join(assets, "classes.json"), "utf8"));
    const words = new Set<string>(classes[name]);
    const count = (text: string) => text.split(/\W+/).filter((word) => words.has(word)).length;
    expect(steered.map(({ alpha }) => alpha)).toEqual([0.9, 1.2]);
    expect(count(steered.at(-1)?.text ?? "")).toBeGreaterThan(count(plain) + 4);
    for (const seconds of Object.values(out.timings)) expect(seconds).toBeGreaterThan(0);
  });
});

test("finds the bundled model in the package", () => {
  expect(existsSync(join(assets, "config.json"))).toBe(true);
});
