import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, readout, SAE, type Tensor, tensor } from "../lib/index.js";
import { settledMemory } from "./support/collect.js";
import { device, failure } from "./support/compare.js";
import { fixture } from "./support/fixtures.js";
import { Oracle } from "./support/oracle.js";

// What directions say about tokens.
describe.each(["tiny-gemma2", "tiny-gemma3"] as const)("%s", (folder) => {
  const prompt = new Oracle<never>(folder, "reading").prompt("p10");
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
  });
  afterAll(() => model.dispose());

  test("of a vector is its product with the unembedding", async () => {
    const { dModel, dVocab } = model.cfg;
    const numbers = Float32Array.from({ length: dModel }, (_, i) => Math.sin(i * i + 1));
    using vector = tensor(numbers, { device });
    const { top, bottom, targets } = await readout(model, vector, {
      topK: 4,
      target: { logitDiff: [5, 90] },
    });
    const weights = await model.weight("W_U").to("float64").read();
    const logits = Array.from({ length: dVocab }, (_, token) =>
      numbers.reduce((sum, x, d) => sum + x * Number(weights[d * dVocab + token]), 0),
    );
    const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
    expect(top.map(({ token }) => token)).toEqual(order.slice(0, 4));
    expect(bottom.map(({ token }) => token)).toEqual(order.slice(-4).reverse());
    const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
    for (const score of [...top, ...bottom, ...targets]) {
      const logit = logits[score.token] as number;
      expect(score.logit).toBeCloseTo(logit, 4);
      expect(score.logprob).toBeCloseTo(logit - total, 4);
    }
    expect(targets.map(({ rank }) => rank)).toEqual([order.indexOf(5), order.indexOf(90)]);
  });

  test("with norm and cap of the last residual stream is the logits", async () => {
    const last = `blocks.${model.cfg.nLayers - 1}.hook_resid_post`;
    using run = await model.runWithCache(prompt, { names: [last] });
    const stream: Tensor = run.cache.get(last);
    using vector = stream.select(0, 0).select(0, -1);
    const read = await readout(model, vector, { topK: 3, finalNorm: true, softCap: true });
    using logits = run.logits.select(0, 0).select(0, -1).clone();
    const values = await logits.read("float64");
    const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
    expect(read.top.map(({ token }) => token)).toEqual(order.slice(0, 3));
    expect(read.bottom.map(({ token }) => token)).toEqual(order.slice(-3).reverse());
    for (const { token, logit } of [...read.top, ...read.bottom]) {
      expect(logit).toBeCloseTo(values[token] as number, 4);
    }
  });

  test("frees what it makes, and refuses other widths", async () => {
    const before = (await settledMemory()).tensors;
    using vector = tensor(new Float32Array(model.cfg.dModel).fill(1), { device });
    await readout(model, vector);
    expect((await settledMemory()).tensors).toBe(before + 1);
    using wide = tensor(new Float32Array(7), { device });
    expect(await failure(() => readout(model, wide))).toMatchObject({ code: "SHAPE" });
    expect(await failure(() => readout(model, 3 as never))).toMatchObject({ code: "ARGUMENT" });
  });
});

test("readout of a feature is that of its decoder row", async () => {
  await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  using sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
    device,
    hookName: "blocks.2.hook_resid_post",
  });
  using row = sae.direction(11);
  expect(await readout(model, sae.feature(11))).toEqual(await readout(model, row));
});
