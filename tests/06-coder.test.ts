import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Coder,
  type FeatureActs,
  GemlensError,
  HookedTransformer,
  type Run,
  SAE,
  type Tensor,
  Transcoder,
  tensor,
  zeros,
} from "../lib/index.js";
import { device, failure, relativeError } from "./support/compare.js";
import { fixture, goldensOf, hookGoldens, ids } from "./support/fixtures.js";
import { type Golden, need } from "./support/safetensors.js";

const tolerance = 1e-5;
const folder = "tiny-gemma2/gs1";
const res = { hookName: "blocks.2.hook_resid_post", device };

/** A golden activation as a tensor. */
function upload(golden: Golden): Tensor {
  return tensor(golden.data as Float32Array, { device: device as "cpu" }).reshape(golden.shape);
}

/** Active sets equal, values within tolerance. */
async function expectFeatures(acts: FeatureActs, want: Golden): Promise<void> {
  const { indptr, indices, values, shape } = await acts.read();
  const dSae = shape.at(-1) as number;
  const dense = want.data as Float32Array;
  expect(indptr.length - 1).toBe(dense.length / dSae);
  const got: number[] = [];
  const expected: number[] = [];
  for (let row = 0; row + 1 < indptr.length; row++) {
    const active = [...indices.subarray(indptr[row], indptr[row + 1])];
    const wanted = [...dense.subarray(row * dSae, (row + 1) * dSae).entries()].filter(
      ([, v]) => v !== 0,
    );
    expect(active, `row ${row}`).toEqual(wanted.map(([feature]) => feature));
    expected.push(...wanted.map(([, value]) => value));
  }
  got.push(...values);
  expect(acts.nnz).toBe(expected.length);
  expect(relativeError(got, expected)).toBeLessThan(tolerance);
}

async function expectValues(what: string, got: Tensor, want: Golden): Promise<void> {
  const error = relativeError(await got.read("float32"), want.data);
  expect(error, what).toBeLessThan(tolerance);
}

describe("Gemma Scope 1 SAEs against SAELens", () => {
  const hooks = hookGoldens("tiny-gemma2");
  const expected = goldensOf(folder, "expected_saelens");
  it.each([
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

  it("reads the same inside a run", async () => {
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

  it("in bfloat16 stays near float32", async () => {
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

it("applies the embedding SAE to scaled embeddings", async () => {
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
  it.each([0, 1, 2, 3])("layer %i, plain", async (layer) => {
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
  it.each(Object.entries(index))("%s", async (name, want) => {
    const load = want.hookNameOut === null ? SAE : Transcoder;
    using coder: Coder = await load.fromFile(fixture(`gs2/${name}`), { device });
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

  it("keeps what a transcoder does not explain", async () => {
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

it("fires strictly above the threshold, and never below zero", async () => {
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
  expect(await acts.at({ pos: 1 })).toEqual([]);
  // No feature at all: the reconstruction is the bias.
  using nothing = await sae.encode(zeros([2, 4], { device: device as "cpu" }));
  expect(nothing.nnz).toBe(0);
  expect(await nothing.topK(3)).toEqual([]);
  using bias = await sae.decode(nothing);
  expect(bias.tolist()).toEqual([
    [0.5, -0.25, 0, 1],
    [0.5, -0.25, 0, 1],
  ]);
});

describe("features", () => {
  let sae: SAE;
  let x: Tensor;
  let dense: Float32Array;
  beforeAll(async () => {
    sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    x = upload(need(hookGoldens("tiny-gemma2"), res.hookName));
    dense = need(goldensOf(folder, "expected_saelens"), "res.feats").data as Float32Array;
  });
  afterAll(() => {
    sae.dispose();
    x.dispose();
  });
  const value = (values: Float32Array, pos: number, feature: number) => values[pos * 96 + feature];

  it("are listed by strength, of one token and of all", async () => {
    using acts = await sae.encode(x);
    const byToken = (pos: number) =>
      [...dense.subarray(pos * 96, (pos + 1) * 96).entries()]
        .filter(([, v]) => v > 0)
        .sort((a, b) => b[1] - a[1])
        .map(([feature]) => feature);
    for (const pos of [0, 7, 23]) {
      expect((await acts.at({ pos })).map(({ feature }) => feature)).toEqual(byToken(pos));
    }
    expect(await acts.at({ pos: -1 })).toEqual(await acts.at({ pos: 23 }));
    const all = [...dense.entries()].filter(([, v]) => v > 0).sort((a, b) => b[1] - a[1]);
    for (const k of [1, 5, 10_000]) {
      const top = await acts.topK(k);
      const want = all.slice(0, k).map(([i]) => ({ pos: Math.floor(i / 96), feature: i % 96 }));
      expect(top.map(({ pos, feature }) => ({ pos, feature }))).toEqual(want);
    }
  });

  it("can be computed for some ids only", async () => {
    using all = await sae.encode(x);
    const { indices, values } = await all.read();
    const wanted = [...new Set(indices)].slice(0, 3);
    using some = await sae.encode(x, { features: [...wanted].reverse() });
    const got = await some.read();
    expect(got.shape).toEqual([1, 24, 96]);
    const want = [...indices.entries()].filter(([, id]) => wanted.includes(id));
    expect([...got.indices]).toEqual(want.map(([, id]) => id));
    expect(
      relativeError(
        got.values,
        want.map(([i]) => values[i] as number),
      ),
    ).toBeLessThan(tolerance);
    using none = await sae.encode(x, { features: [] });
    expect(none.nnz).toBe(0);
  });

  it("are set, added to and turned off in place, in order", async () => {
    using acts = await sae.encode(x);
    const { indices, indptr } = await acts.read();
    const active = indices[0] as number;
    const inactive = [...Array(96).keys()].find((f) => value(dense, 0, f) === 0) as number;
    const returned = acts
      .set(inactive, 7, { positions: 0 })
      .add(inactive, 1, { positions: [0, -1] })
      .zero(active);
    expect(returned).toBe(acts);
    using edited = await acts.toDense();
    const values = await edited.read("float32");
    expect(value(values, 0, inactive)).toBe(8);
    expect(value(values, 23, inactive)).toBeCloseTo((value(dense, 23, inactive) ?? 0) + 1, 5);
    for (let pos = 0; pos < 24; pos++) expect(value(values, pos, active)).toBe(0);
    const changed = new Set([inactive, active]);
    const rest = Float32Array.from(values, (v, i) => (changed.has(i % 96) ? 0 : v));
    const want = Float32Array.from(dense, (v, i) => (changed.has(i % 96) ? 0 : v));
    expect(relativeError(rest, want)).toBeLessThan(tolerance);
    expect(indptr.length).toBe(25);
    const { indices: after } = await acts.read();
    expect(after.includes(active)).toBe(false);
  });

  it("may be disposed right after a call, edits pending or not", async () => {
    const acts = await sae.encode(x);
    acts.set(3, 5);
    const decoding = sae.decode(acts);
    acts.dispose();
    acts.dispose();
    using out = await decoding;
    using again = await sae.encode(x);
    using want = await sae.decode(again.set(3, 5));
    expect(relativeError(await out.read("float32"), await want.read("float32"))).toBe(0);
    for (const call of [
      () => acts.read(),
      () => acts.at({ pos: 0 }),
      () => acts.topK(1),
      () => acts.toDense(),
      () => acts.set(1, 1),
      () => acts.nnz,
      () => sae.decode(acts),
    ]) {
      expect((await failure(call)).code).toBe("DISPOSED");
    }
  });

  it("edited keep the coder's error, and unedited tokens bit for bit", async () => {
    using same = await sae.edit(x, () => {});
    expect([...(await same.read("float32"))]).toEqual([...(await x.read("float32"))]);
    using edited = await sae.edit(x, async (acts) => {
      await acts.read();
      acts.set(11, 4, { positions: 2 });
      await acts.at({ pos: 2 });
      acts.add(12, 1, { positions: 2 });
    });
    const before = await x.read("float32");
    const after = await edited.read("float32");
    const row = await sae.W_dec.read("float32");
    const delta = 4 - (value(dense, 2, 11) ?? 0);
    for (let i = 0; i < before.length; i++) {
      const pos = Math.floor(i / 48);
      if (pos !== 2) {
        expect(after[i]).toBe(before[i]);
        continue;
      }
      const d = i % 48;
      const want = (before[i] ?? 0) + delta * (row[11 * 48 + d] ?? 0) + (row[12 * 48 + d] ?? 0);
      expect(after[i]).toBeCloseTo(want, 4);
    }
    using other = await sae.encode(x);
    other.set(11, 4, { positions: 2 }).add(12, 1, { positions: 2 });
    using returned = await sae.edit(x, () => other);
    expect(relativeError(await returned.read("float32"), after)).toBeLessThan(tolerance);
    expect(other.isDisposed).toBe(false);
    const thrown = new Error("no");
    expect(
      await failure(() =>
        sae.edit(x, () => {
          throw thrown;
        }),
      ),
    ).toBe(thrown);
  });

  it("have directions, read-only", async () => {
    using row = sae.direction(5);
    expect(row.shape).toEqual([48]);
    expect(row.allClose(sae.W_dec.select(0, 5))).toBe(true);
    using column = sae.direction(5, "encoder");
    expect(column.allClose(sae.W_enc.select(1, 5))).toBe(true);
    expect(() => row.fill_(0)).toThrow();
    expect(() => sae.W_enc.fill_(0)).toThrow();
    expect(sae.W_dec).toBe(sae.W_dec);
    expect(sae.feature(5)).toEqual({ coder: sae, feature: 5 });
    expect(sae.threshold.shape).toEqual([96]);
    expect(sae.b_enc.shape).toEqual([96]);
    expect(sae.b_dec.shape).toEqual([48]);
  });

  it("and ids, positions and values are checked at the call", async () => {
    using acts = await sae.encode(x);
    const refused: (() => unknown)[] = [
      () => sae.direction(96),
      () => sae.direction(0, "both" as never),
      () => sae.feature(-1),
      () => sae.encode(x, { features: [96] }),
      () => sae.encode(x, { feature: [1] } as never),
      () => acts.set(96, 1),
      () => acts.set(1.5, 1),
      () => acts.set(1, Number.NaN),
      () => acts.set(1, 1, { positions: 24 }),
      () => acts.set(1, 1, { batch: 1 }),
      () => acts.set(1, 1, { position: 1 } as never),
      () => acts.at({ pos: 24 }),
      () => acts.at({ pos: 0, batch: 1 }),
      () => acts.topK(0),
      () => sae.edit(x, "no" as never),
      () => sae.encode(7 as never),
      () => sae.decode(x as never),
    ];
    for (const call of refused) {
      const error = await failure(call);
      expect(error.code, `${call}: ${error.message}`).toBe("ARGUMENT");
    }
    expect(acts.nnz).toBe((await acts.read()).indices.length);
  });
});

describe("what a coder refuses", () => {
  let model: HookedTransformer;
  let run: Run;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    run = await model.runWithCache(ids(hookGoldens("tiny-gemma2"), "tokens"), {
      names: () => true,
    });
  });
  afterAll(async () => {
    run.dispose();
    await model.dispose();
  });

  it("another width, naming both shapes", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/att/params.npz`), {
      hookName: "blocks.2.attn.hook_z",
      device,
    });
    const flat = zeros([1, 7, 48], { device: device as "cpu" });
    const error = await failure(() => sae.encode(flat));
    expect(error.code).toBe("SHAPE");
    expect(error.message).toBe("encode: expected [.., 64] for input, got [1, 7, 48]");
    using residual = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    // 3 · 16 = 48, but a residual coder has no heads to flatten.
    using heads = zeros([1, 3, 16], { device: device as "cpu" });
    expect((await failure(() => residual.encode(heads))).code).toBe("SHAPE");
  });

  it("a tensor known to come from another hook, unless it is told not to look", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const wrong = run.cache.get("blocks.1.hook_resid_post");
    for (const call of [
      () => sae.encode(wrong),
      () => sae.forward(wrong),
      () => sae.error(wrong),
      () => sae.edit(wrong, () => {}),
      () => sae.encode(wrong.clone()),
    ]) {
      const error = await failure(call);
      expect(GemlensError.is(error, "HOOK")).toBe(true);
      expect((error as GemlensError).fields).toMatchObject({
        expected: "blocks.2.hook_resid_post",
        got: "blocks.1.hook_resid_post",
      });
      expect(error.message).toContain("unchecked");
    }
    using anyway = await sae.encode(wrong, { unchecked: true });
    expect(anyway.shape).toEqual([1, 24, 96]);
    // The next block's input is the same tensor, and a computed one has no known origin.
    using same = await sae.encode(run.cache.get("blocks.3.hook_resid_pre"));
    using right = await sae.encode(run.cache.get("blocks.2.hook_resid_post"));
    expect(same.nnz).toBe(right.nnz);
    (await sae.encode(wrong.mul(1))).dispose();
    using stopped = await model.forward([2, 3], { stopAtLayer: 2 });
    expect((await failure(() => sae.encode(stopped))).code).toBe("HOOK");
  });

  it("the gained input of a transcoder that wants it without, with the reason", async () => {
    using coder = await Transcoder.fromFile(fixture(`${folder}/transcoder/plain_layer_1.npz`), {
      hookName: "blocks.1.ln2.hook_normalized",
      hookNameOut: "blocks.1.hook_mlp_out",
      device,
    });
    const error = await failure(() => coder.encode(run.cache.get("blocks.1.mlp.hook_in")));
    expect(error.code).toBe("HOOK");
    expect(error.message).toContain("gain");
  });

  it("NaN, naming where it is", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    using x = zeros([1, 3, 48], { device: device as "cpu" });
    x.select(0, 0).select(0, 2).fill_(Number.NaN);
    const error = await failure(() => sae.encode(x));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain("row 2");
  });

  it("activations of another coder", async () => {
    using sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const small = fixture(`${folder}/variants/plain.npz`);
    using other = await SAE.fromFile(small, res);
    using acts = await other.encode(run.cache.get("blocks.2.hook_resid_post"));
    expect((await failure(() => sae.decode(acts))).code).toBe("SHAPE");
  });

  it("disposed inputs, and every call after its own dispose", async () => {
    const sae = await SAE.fromFile(fixture(`${folder}/res/params.npz`), res);
    const gone = zeros([1, 3, 48], { device: device as "cpu" });
    gone.dispose();
    for (const call of [
      () => sae.encode(gone),
      () => sae.forward(gone),
      () => sae.error(gone),
      () => sae.edit(gone, () => {}),
    ]) {
      expect((await failure(call)).code).toBe("DISPOSED");
    }
    const x = run.cache.get("blocks.2.hook_resid_post");
    const acts = await sae.encode(x);
    const pending = sae.forward(x);
    sae.dispose();
    sae.dispose();
    expect((await pending).shape).toEqual([1, 24, 48]);
    for (const call of [
      () => sae.encode(x),
      () => sae.forward(x),
      () => sae.decode(acts),
      () => sae.error(x),
      () => sae.edit(x, () => {}),
      () => sae.W_enc,
      () => sae.direction(1),
      () => sae.save("/nowhere/params.npz"),
      () => model.runWithCache([2], { names: [], features: [sae] }),
    ]) {
      const error = await failure(call);
      expect(error.code, `${call}: ${error.message}`).toBe("DISPOSED");
    }
    expect(acts.nnz).toBeGreaterThan(0);
    acts.dispose();
  });

  it("files of the other kind, and hooks that nothing tells", async () => {
    const affine = fixture("gs2/transcoder/layer_2_width_16k_l0_small_affine");
    const transcoder = await failure(() => SAE.fromFile(affine));
    expect(transcoder.code).toBe("ARGUMENT");
    expect(transcoder.message).toContain("Transcoder.fromFile");
    const sae = await failure(() =>
      Transcoder.fromFile(fixture("gs2/resid_post/layer_2_width_16k_l0_small")),
    );
    expect(sae.code).toBe("ARGUMENT");
    expect(sae.message).toContain("SAE.fromFile");
    const unknown = await failure(() => SAE.fromFile(fixture(`${folder}/res/params.npz`)));
    expect(unknown.code).toBe("ARGUMENT");
    expect(unknown.message).toContain("hookName");
    expect((await failure(() => SAE.fromFile("/no/such.npz"))).code).toBe("NOT_FOUND");
    const option = await failure(() => SAE.fromFile(affine, { hook: "x" } as never));
    expect(option.message).toContain("hookName");
  });
});
