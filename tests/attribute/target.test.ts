import { afterAll, beforeAll, expect, test } from "vitest";
import {
  activationPatching,
  attribute,
  directLogitAttribution,
  HookedTransformer,
  logitLens,
  readout,
  SAE,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

// Tests the shared option names `target`, `position` and `batch`.
let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  const options = { device, hookName: "blocks.2.hook_resid_post" };
  sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), options);
});
afterAll(async () => {
  sae?.dispose();
  await model?.dispose();
});

test("attribute accepts `to` for one version, and warns once", async () => {
  const warnings: (Error & { code?: string })[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on("warning", listen);
  const to = { logit: 9 };
  const through = [sae];
  const want = await attribute(model, [2, 5, 7], { target: to, through });
  for (const _ of [1, 2]) {
    const got = await attribute(model, [2, 5, 7], { to, through });
    expect(got.map(({ effect }) => effect)).toEqual(want.map(({ effect }) => effect));
  }
  await new Promise((done) => setImmediate(done));
  process.off("warning", listen);
  const ours = warnings.filter(({ code }) => code === "GEMLENS_TO");
  expect(ours.map(({ name }) => name)).toEqual(["DeprecationWarning"]);
  expect(ours[0]?.message).toBe("attribute: `to` is now `target`");
  const both = { to, target: to, through } as never;
  const error = await failure(() => attribute(model, [2, 5, 7], both));
  expect(error).toMatchObject({ code: "ARGUMENT" });
  expect(error.message).toContain("expected one of target and to");
});

test("refuses removed names instead of ignoring them", async () => {
  using run = await model.runWithCache([2, 5], {
    names: (name) => /resid_post|_out$|hook_embed$|ln_final.hook_scale/.test(name),
    features: [sae],
    logits: false,
  });
  const acts = run.features(sae);
  const over = { points: "resid_pre", positions: "all" };
  const pair = { clean: [2, 5], corrupt: [2, 6], target: { logit: 9 }, over };
  for (const call of [
    () => acts.at({ pos: -1 } as never),
    () => directLogitAttribution(model, run.cache, { token: 9 } as never),
    () => directLogitAttribution(model, run.cache, { target: { logit: 9 }, position: 0 } as never),
    () => logitLens(model, run.cache, { tokens: [9] } as never),
    () => readout(model, sae.feature(3), { tokens: [9] } as never),
    () => activationPatching(model, pair as never),
  ]) {
    expect(await failure(call), String(call)).toMatchObject({ code: "ARGUMENT" });
  }
});

test("reports a target of one or several tokens token by token, in order", async () => {
  using run = await model.runWithCache([2, 5], {
    names: ["blocks.3.hook_resid_post"],
  });
  const logits = await run.logits.read("float32");
  const last = logits.subarray(128);
  for (const target of [{ logit: [70, 9] }, { logitDiff: [70, 9] as const }]) {
    const [entry] = await logitLens(model, run.cache, { positions: [-1], target });
    expect(entry?.targets.map(({ token }) => token)).toEqual([70, 9]);
    for (const { token, logit } of entry?.targets ?? []) {
      expect(logit).toBeCloseTo(last[token] as number, 4);
    }
  }
});

test.each(["quantize", "offline", "token"])("refuses the unsupported option %s", async (option) => {
  for (const value of ["int8", true, false]) {
    const options = { [option]: value } as never;
    const load = () => HookedTransformer.fromPretrained("a model that is nowhere", options);
    const error = await failure(load);
    expect(error).toMatchObject({ code: "UNSUPPORTED", fields: { option } });
    expect(error.message).toContain(`the option ${option} is not supported yet: `);
  }
});
