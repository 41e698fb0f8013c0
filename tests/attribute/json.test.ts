import assert from "node:assert";
import { describe, expect, test } from "vitest";
import {
  activationPatching,
  attribute,
  evaluateCoder,
  type FeatureActs,
  HookedTransformer,
  SAE,
} from "../../lib/index.js";
import { bundled, heldOut } from "../support/bundled.js";

const text = "One sunny day, Lily went to the park.";
const model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
const saes = await Promise.all([SAE.fromFile(bundled(2)), SAE.fromFile(bundled(1))]);
const [sae] = saes as [SAE, SAE];
// biome-ignore lint/suspicious/noExplicitAny: parsed JSON
const json = (value: unknown): any => JSON.parse(JSON.stringify(value));
const reference = { path: sae.cfg.path, hook: "blocks.2.hook_resid_post", dSae: 1024 };

test("attributions name each coder once, and keep value and completeness", async () => {
  const target = { logit: " the" };
  const found = await attribute(model, text, {
    target,
    through: saes,
    method: "integrated-gradients",
    topK: 20,
  });
  const got = json(found);
  expect(Object.keys(got)).toEqual(["value", "completeness", "coders", "effects"]);
  expect(got.value).toBe(found.value);
  expect(got.coders).toHaveLength(2);
  expect(got.coders).toContainEqual(reference);
  const named = (row: { coder: number }) => ({ ...row, coder: got.coders[row.coder] });
  const want = (row: { coder: SAE }) => ({ ...row, coder: json(row.coder) });
  expect(got.effects.map(named)).toEqual(found.map((row) => want(row as never)));
  expect(got.completeness.map(named)).toEqual(found.completeness.map((c) => want(c as never)));
  expect(JSON.stringify(found).length / found.length).toBeLessThan(150);
  // A single row has its coder's name and no configuration.
  expect(json(found[0]).coder).toEqual(json(found[0]?.coder));
  // A slice is a plain array without the further properties.
  expect(Object.keys(found.slice(0, 1))).toEqual(["0"]);
  expect(Object.keys(found)).not.toContain("toJSON");
});

test("features, coders and models become names, without their data", () => {
  expect(json(sae)).toEqual(reference);
  expect(json(sae.feature(7))).toEqual({ coder: reference, feature: 7 });
  expect(json(model)).toEqual(json(model.cfg));
});

test("runs, caches and recorded tokens become summaries", async () => {
  const names = ["hook_embed", "blocks.2.hook_resid_post"] as const;
  using run = await model.runWithCache("One day", { names, features: [sae] });
  const act = { shape: [1, 3, 128], dtype: "float32" };
  const cache = { hook_embed: act, "blocks.2.hook_resid_post": act };
  const acts = run.features(sae);
  const features = [{ coder: reference, shape: [1, 3, 1024], nnz: acts.nnz }];
  expect(json(run.cache)).toEqual(cache);
  expect(json(run)).toEqual({
    logits: { shape: run.logits.shape, dtype: "float32" },
    cache,
    features,
  });
  const record = { names: ["hook_embed"], features: [sae] } as const;
  for await (const token of model.generate("One day", { maxNewTokens: 1, seed: 1, record })) {
    const { token: id, logprob, text } = token;
    expect(json(token)).toMatchObject({ batch: 0, token: id, logprob, step: 0, text });
    token.dispose();
  }
  const options = { names: ["hook_embed"], target: { logit: " the" } } as const;
  using g = await model.runWithGradients("One day", options);
  expect(json(g)).toMatchObject({ value: g.value, grads: { hook_embed: act } });
});

test("activations list the active features with edits applied, as the dense tensor has them", async () => {
  const texts = ["One sunny day", "One"]; // The second row is padded.
  using run = await model.runWithCache(texts, { names: [], features: [sae], logits: false });
  const acts = run.features(sae);
  const dense = async () => {
    using tensor = await acts.toDense();
    const values = await tensor.read("float32");
    const active: object[] = [];
    for (const [i, value] of values.entries()) {
      const cell = Math.floor(i / 1024);
      const row = { batch: Math.floor(cell / 4), position: cell % 4 };
      if (value !== 0) active.push({ ...row, feature: i % 1024, value });
    }
    return { shape: [2, 4, 1024], active };
  };
  expect(json(acts)).toEqual(await dense());
  expect(json(acts).active.length).toBe(acts.nnz);
  acts.set(3, 2.5, { positions: -1 }).zero(213);
  const edited = json(acts); // No call has applied the edits yet.
  const located = { batch: 1, position: 1, feature: 3, value: 2.5 };
  expect(edited.active).toContainEqual(located);
  expect(edited).toEqual(await dense());
  const reading = acts.set(4, 1).read();
  expect(() => json(acts)).toThrow(/toJSON: edits are being applied/);
  await reading;
  expect(json(acts)).toEqual(await dense());
  for (let feature = 0; feature < 400; feature++) acts.set(feature, 1);
  expect(() => json(acts)).toThrow(/at most 1,000 active features for activations in JSON, got 2,/);
});

test("tokens, grids and evaluations write typed arrays as arrays", async () => {
  const tokens = model.toTokens(["One day", "One"]);
  expect(json(tokens)).toEqual({
    ids: [...tokens.ids],
    shape: [2, 3],
    mask: [1, 1, 1, 1, 1, 0],
  });
  const grid = await activationPatching(model, {
    clean: "Leo lives in Osaka. He speaks",
    corrupt: "Leo lives in Berlin. He speaks",
    target: { logitDiff: [" Japanese", " German"] },
    over: { points: "resid_pre", layers: [1], positions: [-1] },
  });
  const { values, shape, clean } = grid;
  expect(json(grid)).toMatchObject({ shape, clean, values: [...values] });
  const found = await evaluateCoder(model, sae, heldOut(0, 1), { lossTokens: 0 });
  const got = json(found);
  expect(got.density).toEqual([...found.density]);
  expect(got).toMatchObject({ l0: found.l0, loss: { original: "NaN" } });
});

describe("objects with native data deep-equal only themselves", () => {
  test("coders, models, activations, caches, runs", async () => {
    const other = await SAE.fromFile(bundled(2));
    const twin = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
    const run = () => model.runWithCache("One", { names: ["hook_embed"], features: [sae] });
    const [a, b] = [await run(), await run()];
    const pairs: [unknown, unknown][] = [
      [sae, other],
      [sae.feature(3), other.feature(3)],
      [model, twin],
      [a, b],
      [a.cache, b.cache],
      [a.features(sae), b.features(sae) as FeatureActs],
    ];
    for (const [x, y] of pairs) {
      expect(() => assert.deepStrictEqual(x, y)).toThrow(assert.AssertionError);
      expect(() => assert.deepEqual(x, y)).toThrow(assert.AssertionError);
      expect(x).not.toEqual(y);
      assert.deepStrictEqual({ x }, { x });
      expect({ x }).toEqual({ x });
      expect(() => structuredClone(x)).toThrow(expect.objectContaining({ name: "DataCloneError" }));
    }
  });
});
