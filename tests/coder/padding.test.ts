import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, SAE } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

// Padding never changes a result: a padded batch has exactly the features of its rows.
const rows = [
  [2, 17, 93],
  [2, 5, 66, 20, 8, 110, 33],
];
const name = "blocks.2.hook_resid_post";

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  const file = fixture("tiny-gemma2/gs1/res/params.npz");
  sae = await SAE.fromFile(file, { device: device as "cpu", hookName: name });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

describe.each(["left", "right"] as const)("padded on the %s", (paddingSide) => {
  test("has no features on padding when it encodes a cached tensor", async () => {
    const tokens = model.toTokens(rows, { paddingSide });
    using padded = await model.runWithCache(tokens, { names: [name], logits: false });
    const x = padded.cache.get(name);
    let unpadded = 0;
    for (const row of rows) {
      using single = await model.runWithCache([row], { names: [], features: [sae], logits: false });
      unpadded += single.features(sae).nnz;
    }
    expect(unpadded).toBeGreaterThan(0);
    for (const same of [x, x.clone(), x.contiguous()]) {
      using acts = await sae.encode(same);
      expect(acts.nnz).toBe(unpadded);
      const dense = await acts.toDense();
      const data = await dense.read("float32");
      tokens.mask.forEach((real, cell) => {
        const features = data.subarray(cell * sae.cfg.dSae, (cell + 1) * sae.cfg.dSae);
        if (real === 0) expect(features.every((value) => value === 0)).toBe(true);
      });
    }
  });

  test("refuses null and 0 as a mask", async () => {
    const tokens = model.toTokens(rows, { paddingSide });
    using padded = await model.runWithCache(tokens, { names: [name], logits: false });
    const x = padded.cache.get(name);
    for (const mask of [null, 0, ""]) {
      const error = await failure(() => sae.encode(x, { mask: mask as never }));
      expect(error).toMatchObject({ code: "ARGUMENT" });
    }
  });

  test("counts positions of a copy in real tokens", async () => {
    const tokens = model.toTokens(rows, { paddingSide });
    using padded = await model.runWithCache(tokens, { names: [name], logits: false });
    using single = await model.runWithCache([rows[0] as number[]], {
      names: [],
      features: [sae],
      logits: false,
    });
    const want = await single.features(sae).at({ position: -1 });
    using acts = await sae.encode(padded.cache.get(name).clone());
    const got = await acts.at({ batch: 0, position: -1 });
    expect(got.map(({ feature }) => feature)).toEqual(want.map(({ feature }) => feature));
  });
});
