import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agreement, heldOutPrompts, type Prompt, summary } from "../../bench/tiny/attribution.js";
import { attribute, evaluateCoder, HookedTransformer, SAE, Transcoder } from "../../lib/index.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

// Compares the gradient's estimates with exact ablation on a few prompts of the bundled model.
// bench/tiny/attribution-report.ts prints the results of 20 prompts for every coder.
const folder = join(import.meta.dirname, "../../assets/tiny-gemma2");
const coders = join(folder, "gemma-scope");

describe("gradient and ablation", () => {
  let model: HookedTransformer;
  let prompts: Prompt[];
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(folder, { device, dtype: "float32" });
    prompts = await heldOutPrompts(model, folder, 4);
  });
  afterAll(() => model.dispose());

  test.each([
    [SAE, "res/layer_1/width_1k/average_l0_15/params.npz"],
    [SAE, "att/layer_0/width_512/average_l0_17/params.npz"],
    [Transcoder, "transcoders/layer_2/width_512/average_l0_24/params.npz"],
  ])("agree through a %o of %s", async (kind, path) => {
    using coder = await kind.fromFile(join(coders, path), { device });
    const found = [];
    for (const prompt of prompts) found.push(await agreement(model, coder, prompt));
    const { features, spearman, shared } = summary(found);
    expect(features).toBeGreaterThan(100);
    expect(spearman).toBeGreaterThan(0.8);
    expect(shared).toBeGreaterThanOrEqual(7);
  });
});

test("attributes to and evaluates a coder of the embedding", async () => {
  await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  using sae = await SAE.fromFile(
    fixture("tiny-gemma2/gs1/embedding/width_4k/average_l0_6/params.npz"),
    { device, hookName: "hook_embed" },
  );
  const prompt = [2, 17, 99, 5, 63];
  const options = { target: { logit: 9 }, through: [sae] };
  const exact = await attribute(model, prompt, { ...options, method: "ablation" });
  const path = await attribute(model, prompt, { ...options, method: "integrated-gradients" });
  expect(exact.length).toBeGreaterThan(10);
  expect(path.length).toBe(exact.length);
  const sum = path.reduce((total, { effect }) => total + effect, 0);
  const [reached] = path.completeness;
  expect(sum).toBeCloseTo(reached?.change as number, 1);
  const { loss } = await evaluateCoder(model, sae, [prompt], { excludeSpecialTokens: false });
  const coders = [{ coder: sae, errorTerm: false }];
  expect(loss.spliced).toBeCloseTo(await model.loss(prompt, { coders }), 4);
});
