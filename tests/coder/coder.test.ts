import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  HookedTransformer,
  SAE,
  type SingleSiteCoder,
  Transcoder,
  zeros,
} from "../../lib/index.js";
import { expectFeatures, expectValues, upload } from "../support/coders.js";
import { device, failure } from "../support/compare.js";
import { fixture, goldensOf, hookGoldens, ids } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

const folder = "tiny-gemma2/gs1";
const res = { hookName: "blocks.2.hook_resid_post", device };

describe("Gemma Scope 1 SAEs against SAELens", () => {
  const hooks = hookGoldens("tiny-gemma2");
  const expected = goldensOf(folder, "expected_saelens");
  test.each([
    ["res", "blocks.2.hook_resid_post"],
    ["mlp", "blocks.2.hook_mlp_out"],
    ["att", "blocks.2.attn.hook_z"],
  ])("%s", async (site, hookName) => {
    using sae = await SAE.fromFile(fixture(`${folder}/${site}/params.npz`), { hookName, device });
    using x = upload(need(hooks, hookName));
    using acts = await sae.encode(x);
    expect(acts.shape).toEqual([1, 24, 96]);
    await expectFeatures(acts, need(expected, `${site}.feats`));
    using dense = await acts.toDense();
    expect(dense.shape).toEqual([1, 24, 96]);
    await expectValues("dense", dense, need(expected, `${site}.feats`));
    using decoded = await sae.decode(acts);
    expect(decoded.shape).toEqual([1, 24, sae.cfg.dOut]);
    await expectValues("decode", decoded, need(expected, `${site}.recon`));
    using rebuilt = await sae.forward(x);
    expect(rebuilt.shape).toEqual(x.shape);
    await expectValues("forward", rebuilt, need(expected, `${site}.recon`));
    using error = await sae.error(x);
    expect(error.add(rebuilt).allClose(x, { rtol: 1e-5, atol: 1e-5 })).toBe(true);
    expect(error.shape).toEqual(x.shape);
  });

  test("encodes the same inside a run", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    using run = await model.runWithCache(ids(hooks, "tokens"), {
      names: [sae.cfg.hookName],
      features: [sae],
      logits: false,
    });
    using acts = await sae.encode(run.cache.get(sae.cfg.hookName));
    const [inside, outside] = [await run.features(sae).read(), await acts.read()];
    expect([...inside.indices]).toEqual([...outside.indices]);
    expect([...inside.values]).toEqual([...outside.values]);
  });

  test("stays near float32 in bfloat16", async () => {
    using exact = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    using half = await SAE.fromFile(fixture(`${folder}/res/params.npz`), {
      ...res,
      dtype: "bfloat16",
    });
    expect(half.cfg.dtype).toBe("bfloat16");
    using x = upload(need(hooks, res.hookName));
    using want = await exact.forward(x);
    using got = await half.forward(x);
    expect(got.dtype).toBe("float32");
    const difference = got.sub(want).norm().item() as number;
    expect(difference / (want.norm().item() as number)).toBeLessThan(0.05);
  });
});

test("applies the embedding SAE to scaled embeddings", async () => {
  const expected = goldensOf(folder, "expected_embedding_s24");
  const path = fixture(`${folder}/embedding/width_4k/average_l0_6/params.npz`);
  using sae = await SAE.fromFile(path, { device });
  expect(sae.cfg.hookName).toBe("hook_embed");
  expect(sae.cfg.l0).toBe(6);
  using x = upload(need(hookGoldens("tiny-gemma2"), "hook_embed"));
  using acts = await sae.encode(x);
  await expectFeatures(acts, need(expected, "features"));
  using out = await sae.decode(acts);
  await expectValues("out", out, need(expected, "out"));
});

describe("Gemma Scope 1 transcoders", () => {
  const expected = goldensOf(folder, "expected_transcoders_s24");
  test.each([0, 1, 2, 3])("layer %i, plain", async (layer) => {
    using coder = await Transcoder.fromFile(
      fixture(`${folder}/transcoder/plain_layer_${layer}.npz`),
      {
        hookName: `blocks.${layer}.ln2.hook_normalized`,
        hookNameOut: `blocks.${layer}.hook_mlp_out`,
        device,
      },
    );
    using x = upload(need(hookGoldens("tiny-gemma2"), coder.cfg.hookName));
    using acts = await coder.encode(x);
    await expectFeatures(acts, need(expected, `plain.${layer}.features`));
    using out = await coder.forward(x);
    await expectValues("out", out, need(expected, `plain.${layer}.out`));
    expect(coder.W_skip).toBeUndefined();
  });
});

describe("Gemma Scope 2 coders", () => {
  const index = JSON.parse(readFileSync(fixture("gs2/expected.json"), "utf8")) as Record<
    string,
    { hookName: string; hookNameOut: string | null; dIn: number; dOut: number; dSae: number }
  >;
  const expected = goldensOf("gs2", "expected_s24");
  test.each(Object.entries(index))("%s", async (name, want) => {
    const load = want.hookNameOut === null ? SAE : Transcoder;
    using coder: SingleSiteCoder = await load.fromFile(fixture(`gs2/${name}`), { device });
    const { hookName, hookNameOut, dIn, dOut, dSae } = coder.cfg;
    expect({ hookName, dIn, dOut, dSae }).toEqual({
      hookName: want.hookName,
      dIn: want.dIn,
      dOut: want.dOut,
      dSae: want.dSae,
    });
    expect(hookNameOut).toBe(want.hookNameOut ?? want.hookName);
    expect(coder.cfg.width).toBe("16k");
    using x = upload(need(hookGoldens("tiny-gemma3"), hookName));
    using acts = await coder.encode(x);
    await expectFeatures(acts, need(expected, `${name}.features`));
    using out = await (coder as SAE).forward(x);
    await expectValues("forward", out, need(expected, `${name}.out`));
    using decoded = await coder.decode(acts, x);
    await expectValues("decode", decoded, need(expected, `${name}.out`));
    if (coder.cfg.skip) {
      const error = await failure(() => coder.decode(acts));
      expect(error.code).toBe("ARGUMENT");
      expect(error.message).toContain("skip");
      expect((coder as Transcoder).W_skip?.shape).toEqual([dIn, dOut]);
    }
  });

  test("edit keeps the reconstruction error of a transcoder", async () => {
    const name = "transcoder/layer_2_width_16k_l0_small_affine";
    using coder = await Transcoder.fromFile(fixture(`gs2/${name}`), { device });
    const hooks = hookGoldens("tiny-gemma3");
    using x = upload(need(hooks, coder.cfg.hookName));
    using y = upload(need(hooks, coder.cfg.hookNameOut));
    using error = await coder.error(x, y);
    using out = await coder.forward(x);
    expect(error.add(out).allClose(y, { rtol: 1e-5, atol: 1e-5 })).toBe(true);
    using same = await coder.edit(x, y, () => {});
    expect([...(await same.read("float32"))]).toEqual([...(await y.read("float32"))]);
    using edited = await coder.edit(x, y, (acts) => void acts.set(5, 2));
    using before = await coder.encode(x);
    using after = await coder.encode(x);
    after.set(5, 2);
    using change = (await coder.decode(after, x)).sub(await coder.decode(before, x));
    expect(edited.allClose(y.add(change), { rtol: 1e-4, atol: 1e-5 })).toBe(true);
  });
});

test("fires strictly above the threshold, and never below zero", async () => {
  const path = "coder-boundary/layer_0/width_16k/average_l0_2";
  const expected = goldensOf(path, "expected");
  using sae = await SAE.fromFile(fixture(`${path}/params.npz`), {
    hookName: "blocks.0.hook_resid_post",
    device,
  });
  using x = upload(need(expected, "input"));
  using acts = await sae.encode(x);
  expect(acts.shape).toEqual([6, 8]);
  await expectFeatures(acts, need(expected, "features"));
  using out = await sae.decode(acts);
  await expectValues("out", out, need(expected, "out"));
  expect(await acts.at({ position: 1 })).toEqual([]);
  // No feature fires: the reconstruction is the bias.
  using nothing = await sae.encode(zeros([2, 4], { device: device as "cpu" }));
  expect(nothing.nnz).toBe(0);
  expect(await nothing.topK(3)).toEqual([]);
  using bias = await sae.decode(nothing);
  expect(bias.tolist()).toEqual([
    [0.5, -0.25, 0, 1],
    [0.5, -0.25, 0, 1],
  ]);
});
