import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  attribute,
  clamp,
  HookedTransformer,
  readout,
  SAE,
  steer,
  Transcoder,
} from "../../lib/index.js";
import { expectAlike } from "../support/alike.js";
import { bundled } from "../support/bundled.js";
import { type Finished, gemlens, root } from "../support/cli.js";
import { device } from "../support/compare.js";

// Compares the commands that change and inspect features with the library on the same model and
// coders.
const prompt = "Leo lives in Osaka. He speaks";
const from = { positions: { from: 1 } };

let model: HookedTransformer;
let sae: SAE;
let mlp: SAE;
let transcoder: Transcoder;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  sae = await SAE.fromFile(bundled(2), { device });
  mlp = await SAE.fromFile(bundled(2, "mlp"), { device });
  transcoder = await Transcoder.fromFile(bundled(1, "transcoders"), { device });
});
afterAll(async () => {
  for (const coder of [sae, mlp, transcoder]) coder?.dispose();
  await model?.dispose();
});

function run(...args: string[]): Promise<Finished> {
  return gemlens([args[0] as string, "--device", device, ...args.slice(1)]);
}

/** A command's output with --json, parsed. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string) as T;
}

async function strongestAt(coder: SAE | Transcoder, pos: number): Promise<number> {
  using run = await model.runWithCache(prompt, { names: [], features: [coder], logits: false });
  const [best] = await run.features(coder).at({ position: pos });
  return best?.feature as number;
}

describe("gemlens generate", () => {
  interface Output {
    readonly text: string;
    readonly interventions: { type: string; hook: string; feature: number; value: number }[];
  }
  const options = { maxNewTokens: 12, temperature: 0.7, seed: 5 };
  const flags = "--max-new-tokens 12 --temperature 0.7 --seed 5".split(" ");

  test("ablates, clamps and steers the bundled coders' features, everywhere except on the BOS", async () => {
    const feature = await strongestAt(sae, -1);
    const want = await model
      .generate(prompt, {
        ...options,
        interventions: [
          ablate(sae.feature(feature), from),
          clamp(mlp.feature(7), 4, from),
          clamp(transcoder.feature(3), -2, { positions: { from: -1 } }),
          steer(sae.feature(966), 18, from),
        ],
      })
      .text();
    const got = await json<Output>(
      ...["generate", ...flags, "--steer", "2:966:18", "--ablate", `2:${feature}`],
      ...["--clamp", "mlp/2:7:4", "--clamp", "transcoder/1:3:-2:-1", prompt],
    );
    expect(got.text).toBe(want);
    expect(got.text).not.toBe(await model.generate(prompt, options).text());
    expect(got.interventions).toEqual([
      { type: "ablate", hook: "blocks.2.hook_resid_post", feature, value: 0, from: 1 },
      { type: "clamp", hook: "blocks.2.hook_mlp_out", feature: 7, value: 4, from: 1 },
      { type: "clamp", hook: "blocks.1.ln2.hook_normalized", feature: 3, value: -2, from: -1 },
      expect.objectContaining({ type: "steer", feature: 966, value: 18, name: "promotes colours" }),
    ]);
  });

  test("finds coders of --sae by layer and site", async () => {
    const paths = ["--sae", bundled(2), "--sae", bundled(2, "mlp")];
    const want = await model
      .generate(prompt, { ...options, interventions: [steer(mlp.feature(9), 9, from)] })
      .text();
    const steered = await json<Output>(
      ...["generate", ...flags, ...paths, "--steer", "mlp/2:9:9", prompt],
    );
    expect(steered.text).toBe(want);
    const unclear = await run("generate", ...paths, "--steer", "2:9:9", prompt);
    expect([unclear.code, unclear.stdout]).toEqual([1, ""]);
    expect(unclear.stderr).toContain(
      "NOT_FOUND: generate: expected one --sae for 2:9, got 2, mlp/2",
    );
  });
});

describe("gemlens steer", () => {
  test("gives the same draw at each strength, and the probabilities of the feature's tokens", async () => {
    interface Output {
      readonly seed: number;
      readonly tokens: { id: number }[];
      readonly runs: {
        strength: number;
        probability: number;
        next: { id: number; probability: number }[];
        text: string;
      }[];
    }
    const out = await json<Output>("steer", "2:966", "--max-new-tokens", "12", prompt);
    const { top } = await readout(model, sae.feature(966), { topK: 5 });
    expect(out.tokens.map(({ id }) => id)).toEqual(top.map(({ token }) => token));
    expect(out.runs.length).toBe(4);
    for (const { strength, probability, next, text } of out.runs) {
      const interventions = [steer(sae.feature(966), strength, from)];
      const options = { maxNewTokens: 12, seed: out.seed, interventions };
      expect(text).toBe(await model.generate(prompt, options).text());
      using logits = await model.forward(prompt, { interventions, positions: [-1] });
      using p = logits.softmax(-1);
      const values = await p.read("float32");
      const sum = top.reduce((sum, { token }) => sum + (values[token] as number), 0);
      expect(probability).toBeCloseTo(sum, 5);
      expect(next[0]?.id).toBe(values.indexOf(Math.max(...values)));
    }
    // The strengths are 0, a quarter, a half and one mean norm of the steered activation.
    using cache = await model.runWithCache(prompt, {
      names: ["blocks.2.hook_resid_post"],
      logits: false,
    });
    const rows = cache.cache.get("blocks.2.hook_resid_post").reshape([-1, 128]);
    const length = rows.slice(0, 1).norm({ dim: 1 }).mean().item() as number;
    for (const [i, share] of [0, 0.25, 0.5, 1].entries()) {
      expect(out.runs[i]?.strength).toBeCloseTo(share * length, 0);
    }
  });

  test("prints the continuations in columns within the line width", async () => {
    const { code, stdout } = await run("steer", "2:966:20", "--seed", "1", prompt);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
    const head = lines.findIndex((line) => /^without +strength 20$/.test(line));
    expect(head).toBeGreaterThan(0);
    const at = (lines[head] as string).indexOf("strength");
    const column = (begin: number, end?: number) =>
      lines
        .slice(head + 1)
        .map((line) => line.slice(begin, end).trim())
        .join(" ")
        .trim();
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");
    const text = (interventions: ReturnType<typeof steer>[]) =>
      model.generate(prompt, { maxNewTokens: 30, seed: 1, interventions }).text();
    expect(words(column(0, at))).toEqual(words(await text([])));
    expect(words(column(at))).toEqual(words(await text([steer(sae.feature(966), 20, from)])));
  });
});

describe("gemlens ablate", () => {
  test("reports the tokens that rose and fell, and the loss, before and after", async () => {
    interface Change {
      readonly id: number;
      readonly before: number;
      readonly after: number;
      readonly logitChange: number;
    }
    interface Output {
      readonly features: { feature: number; to: number; fires: { position: number }[] }[];
      readonly loss: { before: number; after: number };
      readonly rose: Change[];
      readonly fell: Change[];
    }
    const feature = await strongestAt(sae, -2);
    const out = await json<Output>(
      ...["ablate", `2:${feature}`, "--position", "-2", "--top", "4", prompt],
    );
    const interventions = [ablate(sae.feature(feature), from)];
    const probabilities = async (options: object) => {
      using logits = await model.forward(prompt, { ...options, positions: [-2] });
      using p = logits.softmax(-1);
      return [await p.read("float32"), await logits.read("float32")] as const;
    };
    const [before, logitsBefore] = await probabilities({});
    const [after, logitsAfter] = await probabilities({ interventions });
    const changes = [...before.keys()].sort(
      (a, b) => (after[b] ?? 0) - (before[b] ?? 0) - ((after[a] ?? 0) - (before[a] ?? 0)),
    );
    expect(out.rose.map(({ id }) => id)).toEqual(changes.slice(0, 4));
    expect(out.fell.map(({ id }) => id)).toEqual(changes.slice(-4).reverse());
    for (const { id, ...change } of [...out.rose, ...out.fell]) {
      expect(change.before).toBeCloseTo(before[id] as number, 5);
      expect(change.after).toBeCloseTo(after[id] as number, 5);
      const logit = (logitsAfter[id] as number) - (logitsBefore[id] as number);
      expect(change.logitChange).toBeCloseTo(logit, 3);
    }
    expect(out.loss.before).toBeCloseTo(await model.loss(prompt), 4);
    expect(out.loss.after).toBeCloseTo(await model.loss(prompt, { interventions }), 4);
    const [reported] = out.features;
    expect(reported).toMatchObject({ feature, to: 0 });
    expect(reported?.fires.map(({ position }) => position)).toContain(6);
  });

  test("prints tables, and reports features that fire nowhere", async () => {
    using cache = await model.runWithCache(prompt, { names: [], features: [sae], logits: false });
    const { indices } = await cache.features(sae).read();
    const silent = [...Array(1024).keys()].find((feature) => !indices.includes(feature));
    const feature = await strongestAt(sae, -1);
    const { code, stdout } = await run("ablate", `2:${feature},2:${silent}`, prompt);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^2:${feature}( \\(.*\\))? fires on .*" speaks" \\d`, "m"));
    expect(stdout).toMatch(new RegExp(`^2:${silent}( \\(.*\\))? fires on no token`, "m"));
    expect(stdout).toMatch(/^rose +"[^"]+" +[<\d]/m);
    expect(stdout).toMatch(/^fell +" Japanese" .* -\d/m);
    expect(stdout).toMatch(/^loss \d+\.\d+ → \d+\.\d+ \([+-]?\d\.\d+ nats per token\)$/m);
  });
});

describe("gemlens attribute", () => {
  interface Output {
    readonly target: { id: number; text: string; minus?: string };
    readonly value: number;
    readonly features: {
      hook: string;
      feature: number;
      position: number;
      activation: number;
      effect: number;
    }[];
    readonly completeness: { gap: number }[];
  }

  test.each([
    ["gradient", {}],
    ["ablation", { minus: " German" }],
    ["integrated-gradients", {}],
  ] as const)(
    "by %s lists the library's strongest features, without the BOS",
    async (method, { minus }: { minus?: string }) => {
      const out = await json<Output>(
        ...["attribute", "--layer", "2", "--method", method, "--target", " Japanese", "--top", "6"],
        ...(minus === undefined ? [] : ["--target", minus]),
        prompt,
      );
      const all = await attribute(model, prompt, {
        target: minus === undefined ? { logit: " Japanese" } : { logitDiff: [" Japanese", minus] },
        through: [sae],
        method,
        excludeSpecialTokens: true,
      });
      const want = all.slice(0, 6);
      expect(want.every(({ position }) => position > 0)).toBe(true);
      expect(out.target).toMatchObject({ text: " Japanese", ...(minus && { minus }) });
      expect(out.value).toBeCloseTo(all.value, 3);
      expect(out.features.map(({ feature, position }) => [feature, position])).toEqual(
        want.map(({ feature, position }) => [feature, position]),
      );
      for (const [i, { activation, effect }] of out.features.entries()) {
        expect(activation).toBeCloseTo(want[i]?.activation as number, 3);
        expect(effect).toBeCloseTo(want[i]?.effect as number, 3);
      }
      expect(out.completeness.length).toBe(method === "integrated-gradients" ? 1 : 0);
    },
  );

  test("accepts --to and --minus for one version", async () => {
    const of = (...args: string[]) => json<Output>("attribute", "--layer", "2", ...args, prompt);
    expect(await of("--to", " Japanese", "--minus", " German")).toEqual(
      await of("--target", " Japanese", "--target", " German"),
    );
  });

  test("attributes to the most probable next token by default, through every layer", async () => {
    using logits = await model.forward(prompt, { positions: [-1] });
    const best = Number(logits.argmax().item());
    const { code, stdout } = await run("attribute", "--top", "12", prompt);
    expect(code).toBe(0);
    const [title, head, ...rows] = stdout.trimEnd().split("\n");
    expect(title).toMatch(new RegExp(`^logit of ${JSON.stringify(model.decode(best))}: \\d`));
    expect(head).toMatch(/^feature +position +on +activation +effect +name$/);
    expect(rows.length).toBe(12);
    expect(new Set(rows.map((row) => row[0])).size).toBeGreaterThan(2);
  });
});

test("prints the output of docs/cli.md", async () => {
  const page = readFileSync(join(root, "docs/cli.md"), "utf8");
  const [, block = ""] = /^```text\n(.*?)^```/ms.exec(page) ?? [];
  const shown = [...block.matchAll(/^\$ npx gemlens (.*)\n((?:(?!\$ ).*\n)*)/gm)];
  expect(shown.length).toBe(2);
  for (const [, line = "", printed = ""] of shown) {
    const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, bare]) => quoted ?? bare ?? "",
    );
    const { code, stdout } = await gemlens(args);
    expect(code).toBe(0);
    expectAlike(stdout, printed);
  }
});

test.concurrent.each([
  [["generate", "--steer", "2:7", "x"], 2, "layer:feature:value[:from]: the value is missing"],
  [["generate", "--clamp", "seven", "x"], 2, 'no ":" after the layer, in "seven"'],
  [["generate", "--ablate", "embed/2:7", "x"], 2, "site is one of res, mlp, att, transcoder"],
  [["generate", "--model", "m", "--ablate", "2:7", "x"], 2, "--sae is needed with --model m"],
  [["steer", "2:7:1", "--strengths", "1,2", "x"], 2, "the strength is given twice"],
  [["attribute", "--layer", "1", "--sae", "x.npz", "x"], 2, "cannot go with --sae"],
  [["attribute", "--minus", " it", "x"], 2, "--minus goes with --to"],
  [["attribute", "--target", "a", "--to", "b", "x"], 2, "--target was given with a former name"],
  [["lens", "--target", "a", "--target", "b", "--target", "c", "x"], 2, "once, or twice"],
  [["ablate", "2:5000", "x"], 2, "ARGUMENT: feature: expected an integer in [0, 1024)"],
  [
    ["ablate", "9:5", "x"],
    1,
    "NOT_FOUND: bundledCoder: expected one of 0, 1, 2, 3 for layer, got 9",
  ],
  [["evaluate", "nowhere.txt"], 1, "NOT_FOUND: evaluate: expected a text file"],
])("%j ends with %i and a reason", async (args, code, message) => {
  const { code: got, stdout, stderr } = await gemlens(args);
  expect([got, stdout]).toEqual([code, ""]);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^ +at /m);
});
