import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bundledCoder,
  bundledCoders,
  HookedTransformer,
  memory,
  SAE,
  Transcoder,
  tensor,
  topTokens,
} from "../../lib/index.js";
import { assets, bundled } from "../support/bundled.js";
import { device, failure } from "../support/compare.js";

const prompts = ["Leo lives in Osaka. He speaks", "One sunny day, Lily saw a red bird."] as const;

let model: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
});
afterAll(() => model?.dispose());

describe("topTokens", () => {
  /** The softmax in float64, and the ranking by it. */
  async function oracle(text: string, position: number) {
    using logits = await model.forward(text, { positions: [position] });
    const values = Array.from(await logits.read("float32"), Number);
    const top = Math.max(...values);
    const total = values.reduce((sum, x) => sum + Math.exp(x - top), 0);
    const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
    return order.map((token) => {
      const logit = values[token] as number;
      return { token, logit, probability: Math.exp(logit - top) / total };
    });
  }

  test("ranks the vocabulary after a prompt, for a row of a batch, or from given logits", async () => {
    for (const [batch, text] of prompts.entries()) {
      for (const position of [-1, 2]) {
        const want = (await oracle(text, position)).slice(0, 4);
        using logits = await model.forward(text);
        for (const found of [
          await topTokens(model, text, { topK: 4, position }),
          await topTokens(model, prompts, { topK: 4, position, batch }),
          await topTokens(model, logits, { topK: 4, position }),
        ]) {
          expect(found.map(({ token }) => token)).toEqual(want.map(({ token }) => token));
          for (const [i, { token, text: shown, logit, probability }] of found.entries()) {
            expect(shown).toBe(model.decode(token));
            expect(logit).toBeCloseTo(want[i]?.logit as number, 3);
            expect(probability).toBeCloseTo(want[i]?.probability as number, 5);
          }
        }
      }
    }
    expect((await topTokens(model, prompts[0])).length).toBe(10);
  });

  test("counts the real tokens of a padded batch's logits, and keeps no reference to them", async () => {
    const uneven = ["Lily", prompts[0]] as const;
    for (const paddingSide of ["left", "right"] as const) {
      const tokens = model.toTokens(uneven, { paddingSide });
      using run = await model.runWithCache(tokens, { names: [] });
      using logits = await model.forward(tokens);
      const before = memory().tensors;
      for (const all of [logits, run.logits]) {
        for (const [batch, text] of uneven.entries()) {
          const [want] = await oracle(text, -1);
          const [found] = await topTokens(model, all, { batch, topK: 1 });
          expect(found?.token).toBe(want?.token);
        }
        expect(await failure(() => topTokens(model, all, { batch: 0, position: 2 }))).toMatchObject(
          { code: "ARGUMENT" },
        );
      }
      expect(memory().tensors).toBe(before);
    }
  });

  test("refuses logits without a largest one, and accepts masked tokens", async () => {
    const { dVocab } = model.cfg;
    const of = (values: Float32Array) => tensor(values, { shape: [1, 1, dVocab] });
    const zeros = new Float32Array(dVocab);
    const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: masked } = Number;
    for (const bad of [zeros.with(5, nan), zeros.with(5, infinity), zeros.map(() => masked)]) {
      using logits = of(bad);
      expect(await failure(() => topTokens(model, logits))).toMatchObject({ code: "ARGUMENT" });
    }
    using one = of(zeros.map((_, token) => (token === 7 ? 0 : masked)));
    const [found] = await topTokens(model, one, { topK: 1 });
    expect(found).toMatchObject({ token: 7, probability: 1 });
  });

  test("refuses ambiguous arguments and tensors that are not logits", async () => {
    const { dVocab } = model.cfg;
    using nan = tensor(new Float32Array(dVocab).fill(Number.NaN), { shape: [1, 1, dVocab] });
    using narrow = tensor(new Float32Array(6), { shape: [1, 2, 3] });
    for (const [call, code] of [
      [() => topTokens(model, prompts), "ARGUMENT"],
      [() => topTokens(model, prompts, { batch: 2 }), "ARGUMENT"],
      [() => topTokens(model, prompts[0], { position: 99 }), "ARGUMENT"],
      [() => topTokens(model, prompts[0], { topK: dVocab + 1 }), "ARGUMENT"],
      [() => topTokens(model, nan), "ARGUMENT"],
      [() => topTokens(model, narrow), "SHAPE"],
    ] as const) {
      expect(await failure(call), String(call)).toMatchObject({ code });
    }
  });
});

describe("bundledCoders", () => {
  test("reports the metadata of each coder's file", async () => {
    const all = bundledCoders();
    expect(all.map(({ site, layer }) => `${site} ${layer}`)).toEqual(
      ["res", "att", "mlp", "transcoder"].flatMap((site) =>
        [0, 1, 2, 3].map((n) => `${site} ${n}`),
      ),
    );
    for (const { kind, path, layer, hookName, hookNameOut, dSae, l0, load } of all) {
      using coder = await load({ device });
      expect(coder).toBeInstanceOf(kind === "sae" ? SAE : Transcoder);
      expect(coder.cfg).toMatchObject({ path, layer, hookName, hookNameOut, dSae, l0 });
    }
  });

  test("has the named features of features.json, the surest first", () => {
    interface Row {
      readonly coder: string;
      readonly index: number;
      readonly class: string;
      readonly score: number;
    }
    const rows = JSON.parse(readFileSync(join(assets, "features.json"), "utf8")) as Row[];
    const all = bundledCoders();
    expect(all.flatMap(({ features }) => features).length).toBe(rows.length);
    for (const { path, features } of all) {
      const own = rows
        .filter(({ coder }) => path.endsWith(coder))
        .sort((a, b) => b.score - a.score)
        .map(({ index, class: words }) => [index, words]);
      expect(features.map((one) => [one.feature, one.class])).toEqual(own);
    }
  });

  test("returns one by its layer and site", async () => {
    expect(bundledCoder({ layer: 1 }).path).toBe(bundled(1));
    expect(bundledCoder({ site: "transcoder", layer: 3 }).path).toBe(bundled(3, "transcoders"));
    expect(await failure(async () => bundledCoder({ layer: 4 }))).toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await failure(async () => bundledCoders({ site: "resid" as never }))).toMatchObject({
      code: "ARGUMENT",
    });
  });
});
