import { afterAll, beforeAll, expect, test } from "vitest";
import { HookedTransformer, hook, type Tensor } from "../../lib/index.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

// Tests TransformerLens' split inputs: each head's queries, keys and values use their own copy of
// the residual.
const tokens = [[2, 17, 93, 41, 5, 66, 20, 8, 110, 33]];
const points = ["blocks.1.hook_q_input", "blocks.1.hook_k_input", "blocks.1.hook_v_input"] as const;

let model: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
});
afterAll(() => model.dispose());

const values = async (x: Tensor) => x.read("float32");

test("observing them changes nothing, not even earlier hooks' edits", async () => {
  const zero = hook("blocks.1.attn.hook_in", (act) => act.mul(0));
  using clean = await model.forward(tokens);
  using want = await model.forward(tokens, { hooks: [zero] });
  expect(relativeError(await values(want), await values(clean))).toBeGreaterThan(0.01);
  using seen = await model.runWithCache(tokens, {
    names: [...points, "blocks.1.hook_attn_in"],
    hooks: [zero, ...points.map((name) => hook(name, () => {}))],
  });
  expect(await values(seen.logits)).toEqual(await values(want));
});

test("the same change to all three equals a change of the attention's input", async () => {
  const change = (act: Tensor) => act.add(0.5);
  // Changes the residual itself and records attn.hook_in …
  using changed = await model.runWithCache(tokens, {
    names: ["blocks.1.attn.hook_in"],
    hooks: [hook("blocks.1.hook_resid_pre", change)],
    logits: false,
  });
  const gained = changed.cache.get("blocks.1.attn.hook_in");
  // … then puts that value in attn.hook_in and leaves the residual stream unchanged.
  using want = await model.forward(tokens, {
    hooks: [hook("blocks.1.attn.hook_in", () => gained)],
  });
  using got = await model.forward(tokens, { hooks: points.map((name) => hook(name, change)) });
  using clean = await model.forward(tokens);
  expect(relativeError(await values(got), await values(want))).toBeLessThan(1e-5);
  expect(relativeError(await values(got), await values(clean))).toBeGreaterThan(1e-3);
});

test("with shared key heads, hook_attn_in can be observed but not changed", async () => {
  await expect(
    model.forward(tokens, { hooks: [hook("blocks.1.hook_attn_in", (act) => act.mul(2))] }),
  ).rejects.toMatchObject({ code: "UNSUPPORTED" });
});
