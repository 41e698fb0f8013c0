import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  evaluateCoder,
  featureMeans,
  HookedTransformer,
  memory,
  SAE,
  type SingleSiteCoder,
  Transcoder,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";
import { randomCoderLike } from "../support/random-coder.js";

interface EvaluationCase {
  readonly name: string;
  readonly coder: string;
  readonly excludeSpecialTokens: boolean;
  readonly tokens: number;
  readonly l0: number;
  readonly dead: number;
  /** Σ|x − x̂|² over the tokens. */
  readonly squares: number;
  readonly fvu: number;
  readonly explainedVariance: number;
  readonly cosine: number;
  readonly l2Ratio: number;
  /** Over the tokens that count. */
  readonly counted: {
    readonly loss: Readonly<Record<"plain" | "spliced" | "zero" | "mean", number>>;
    readonly kl: Readonly<Record<"spliced" | "zero" | "mean", number>>;
    readonly lossRecovered: { readonly zero: number; readonly mean: number };
    readonly klRecovered: { readonly zero: number; readonly mean: number };
  };
  readonly density: string;
}

const close = (got: number, want: number, what: string, tolerance = 1e-4) =>
  expect(Math.abs(got - want), what).toBeLessThan(tolerance * Math.max(1, Math.abs(want)));

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (folder) => {
  const oracle = new Oracle<EvaluationCase>(folder, "evaluation");
  const corpus = oracle.prompts["corpus"] as number[][];
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
    await oracle.load();
  });
  afterAll(async () => {
    oracle.dispose();
    await model.dispose();
  });

  // Without tokenizer files, the model's own BOS, end and padding ids are its special tokens.
  test.each(oracle.cases.map((entry) => [entry.name, entry] as const))(
    "%s matches the formulas in float64",
    async (_, entry) => {
      const { excludeSpecialTokens } = entry;
      for (const batchSize of [8, 3, 1]) {
        const got = await evaluateCoder(model, oracle.coder(entry.coder), corpus, {
          excludeSpecialTokens,
          batchSize,
        });
        expect(got.tokens).toBe(entry.tokens);
        close(got.l0, entry.l0, "l0", 1e-9);
        expect(got.dead).toBe(entry.dead);
        expect(got.deadShare).toBe(entry.dead / got.density.length);
        close(got.mse, entry.squares / entry.tokens, "mse");
        close(got.fvu, entry.fvu, "fvu");
        close(got.explainedVariance, entry.explainedVariance, "explained variance");
        close(got.cosine, entry.cosine, "cosine");
        close(got.l2Ratio, entry.l2Ratio, "l2 ratio");
        const { loss, kl, lossRecovered, klRecovered } = entry.counted;
        const { plain, ...replaced } = loss;
        for (const [run, want] of Object.entries({ ...replaced, original: plain })) {
          close(got.loss[run as "zero"], want, `loss ${run}`);
        }
        for (const run of ["spliced", "zero", "mean"] as const) {
          close(got.kl[run], kl[run], `KL ${run}`);
        }
        for (const run of ["zero", "mean"] as const) {
          close(got.lossRecovered[run], lossRecovered[run], `loss recovered ${run}`, 1e-3);
          close(got.klRecovered[run], klRecovered[run], `KL recovered ${run}`, 1e-3);
        }
        expect(relativeError(got.density, oracle.golden(entry.density).data)).toBeLessThan(1e-6);
      }
    },
  );

  test("measures losses on only the first lossTokens tokens", async () => {
    const coder = oracle.coder("res");
    const whole = await evaluateCoder(model, coder, corpus, { batchSize: 1 });
    const none = await evaluateCoder(model, coder, corpus, { batchSize: 1, lossTokens: 0 });
    const first = await evaluateCoder(model, coder, corpus, { batchSize: 1, lossTokens: 4 });
    // Rows are sorted by length: the shortest has four tokens after its BOS.
    const row = await evaluateCoder(model, coder, [corpus[0] as number[]], { meanTokens: 1 });
    for (const got of [none, first]) {
      for (const key of ["tokens", "l0", "fvu", "cosine", "dead"] as const) {
        close(got[key], whole[key], key, 1e-9);
      }
    }
    expect([none.loss.original, none.kl.zero, none.lossRecovered.zero]).toEqual([NaN, NaN, NaN]);
    for (const key of ["original", "spliced", "zero"] as const) {
      close(first.loss[key], row.loss[key], key);
    }
    expect(first.loss.original).not.toBeCloseTo(whole.loss.original, 3);
  });

  test("excludes only the given special tokens", async () => {
    const coder = oracle.coder("res");
    const all = await evaluateCoder(model, coder, corpus, { excludeSpecialTokens: [] });
    const some = await evaluateCoder(model, coder, corpus, { excludeSpecialTokens: [2] });
    expect(all.tokens).toBe(corpus.flat().length);
    expect(some.tokens).toBe(corpus.flat().filter((id) => id !== 2).length);
    const special = await evaluateCoder(model, coder, corpus, { excludeSpecialTokens: [0, 1, 2] });
    expect(special).toEqual(await evaluateCoder(model, coder, corpus));
  });

  test("replaces as a splice without error term does", async () => {
    for (const key of ["res", "att", "skip"]) {
      const coder = oracle.coder(key);
      const got = await evaluateCoder(model, coder, corpus, { excludeSpecialTokens: false });
      const coders = [{ coder, errorTerm: false }];
      close(got.loss.spliced, await model.loss(corpus, { coders }), key);
      close(got.loss.original, await model.loss(corpus), key);
    }
  });

  test("featureMeans equals the mean of encode's features", async () => {
    const coder = oracle.coder("res");
    const want = new Float64Array(coder.cfg.dSae);
    let tokens = 0;
    for (const row of corpus) {
      using run = await model.runWithCache(row, { names: [], features: [coder], logits: false });
      using dense = await run.features(coder).toDense();
      const values = await dense.read("float64");
      for (const [column, id] of row.entries()) {
        if (id < 3) continue;
        tokens++;
        for (let i = 0; i < want.length; i++) {
          want[i] = (want[i] as number) + (values[column * want.length + i] as number);
        }
      }
    }
    const means = await featureMeans(model, coder, corpus, { batchSize: 2 });
    expect(
      relativeError(
        means,
        want.map((sum) => sum / tokens),
      ),
    ).toBeLessThan(1e-5);
    const all = await featureMeans(model, coder, corpus, { excludeSpecialTokens: false });
    expect(relativeError(all, means)).toBeGreaterThan(1e-3);
    ablate(coder.feature(3), { to: means[3] });
  });

  describe("a corpus", () => {
    const coder = () => oracle.coder("mlp");

    test("may be iterable once, in pieces, and is closed at maxTokens", async () => {
      let given = 0;
      let closed = false;
      async function* endless() {
        try {
          for (; ; given++) yield corpus[given % corpus.length] as number[];
        } finally {
          closed = true;
        }
      }
      const got = await evaluateCoder(model, coder(), endless(), { maxTokens: 300, batchSize: 2 });
      expect(got.tokens).toBeGreaterThanOrEqual(300);
      expect(got.tokens).toBeLessThan(310);
      expect(given).toBeLessThan(60);
      expect(closed).toBe(true);
    });

    test("splits long rows, each part with its own BOS", async () => {
      const long = Array.from({ length: 25 }, (_, i) => 10 + i);
      const cut = [long.slice(0, 9), long.slice(9, 18), long.slice(18)].map((row) => [2, ...row]);
      const whole = await evaluateCoder(model, coder(), [[2, ...long]], { contextSize: 10 });
      const parts = await evaluateCoder(model, coder(), cut, {});
      expect(whole.tokens).toBe(25);
      for (const key of ["l0", "fvu", "cosine"] as const) close(whole[key], parts[key], key);
      close(whole.loss.spliced, parts.loss.spliced, "loss");
    });

    test("is refused if it is invalid or empty", async () => {
      const wrong: [unknown, object, string][] = [
        ["one text", {}, "ARGUMENT"],
        [undefined, {}, "ARGUMENT"],
        [[], {}, "ARGUMENT"],
        [[[2]], {}, "ARGUMENT"],
        [[[2, 128]], {}, "ARGUMENT"],
        [[7], {}, "ARGUMENT"],
        [corpus, { batchSize: 0 }, "ARGUMENT"],
        [corpus, { contextSize: 1 }, "ARGUMENT"],
        [corpus, { contextSize: 1e9 }, "ARGUMENT"],
        [corpus, { maxTokens: -1 }, "ARGUMENT"],
        [corpus, { lossTokens: -1 }, "ARGUMENT"],
        [corpus, { meanTokens: 0 }, "ARGUMENT"],
        [corpus, { excludeSpecialTokens: "yes" }, "ARGUMENT"],
        [corpus, { tokens: 3 }, "ARGUMENT"],
      ];
      for (const [given, options, code] of wrong) {
        const error = await failure(() => evaluateCoder(model, coder(), given as never, options));
        expect(error, JSON.stringify([given, options])).toMatchObject({ code });
      }
      expect(await failure(() => evaluateCoder(model, 3 as never, corpus))).toMatchObject({
        code: "ARGUMENT",
      });
    });

    test("leaves no tensor alive, also after an abort", async () => {
      await evaluateCoder(model, coder(), corpus);
      const before = await settledMemory();
      await evaluateCoder(model, coder(), corpus, { batchSize: 2 });
      await featureMeans(model, coder(), corpus);
      const stop = new AbortController();
      const reason = new Error("enough");
      const stopped = evaluateCoder(model, coder(), corpus, {
        batchSize: 1,
        signal: stop.signal,
        onProgress: () => stop.abort(reason),
      });
      expect(await failure(() => stopped)).toBe(reason);
      expect(memory().tensors).toBe(before.tensors);
      expect(memory().handles).toBe(before.handles);
    });
  });
});

describe("on the bundled model", () => {
  const folder = join(import.meta.dirname, "../../assets/tiny-gemma2");
  const paths = readdirSync(join(folder, "gemma-scope"), { recursive: true })
    .map(String)
    .filter((path) => path.includes("layer_2") && path.endsWith("params.npz"))
    .sort();
  const texts = readFileSync(join(folder, "heldout.jsonl"), "utf8")
    .trim()
    .split("\n")
    .slice(0, 12)
    .map((line) => (JSON.parse(line) as { text: string }).text);
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  });
  afterAll(() => model.dispose());

  test.each(paths)("%s beats a random coder in every measure", async (path) => {
    const kind = path.startsWith("transcoders") ? Transcoder : SAE;
    const file = join(folder, "gemma-scope", path);
    using trained: SingleSiteCoder = await kind.fromFile(file, { device });
    using random = await randomCoderLike(trained, 1);
    const [good, bad] = [
      await evaluateCoder(model, trained, texts),
      await evaluateCoder(model, random, texts),
    ];
    expect(good.tokens).toBe(bad.tokens);
    for (const key of ["mse", "fvu"] as const) expect(good[key], key).toBeLessThan(bad[key]);
    for (const key of ["cosine", "explainedVariance"] as const) {
      expect(good[key], key).toBeGreaterThan(bad[key]);
    }
    expect(good.loss.spliced).toBeLessThan(bad.loss.spliced);
    expect(good.kl.spliced).toBeLessThan(bad.kl.spliced);
    for (const against of ["zero", "mean"] as const) {
      expect(good.lossRecovered[against]).toBeGreaterThan(bad.lossRecovered[against]);
      expect(good.klRecovered[against]).toBeGreaterThan(bad.klRecovered[against]);
    }
    expect(good.explainedVariance).toBeGreaterThan(0.7);
  });
});
