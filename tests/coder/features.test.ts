import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memory, SAE, type Tensor, tidy } from "../../lib/index.js";
import { upload } from "../support/coders.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture, goldensOf, hookGoldens } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

const tolerance = 1e-5;
const folder = "tiny-gemma2/gs1";
const res = { hookName: "blocks.2.hook_resid_post", device };

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

  test("are listed by strength, of one token and of all tokens", async () => {
    using acts = await sae.encode(x);
    const byToken = (pos: number) =>
      [...dense.subarray(pos * 96, (pos + 1) * 96).entries()]
        .filter(([, v]) => v > 0)
        .sort((a, b) => b[1] - a[1])
        .map(([feature]) => feature);
    for (const pos of [0, 7, 23]) {
      expect((await acts.at({ position: pos })).map(({ feature }) => feature)).toEqual(
        byToken(pos),
      );
    }
    expect(await acts.at({ position: -1 })).toEqual(await acts.at({ position: 23 }));
    const all = [...dense.entries()].filter(([, v]) => v > 0).sort((a, b) => b[1] - a[1]);
    for (const k of [1, 5, 10_000]) {
      const top = await acts.topK(k);
      const want = all
        .slice(0, k)
        .map(([i]) => ({ position: Math.floor(i / 96), feature: i % 96 }));
      expect(top.map(({ position, feature }) => ({ position, feature }))).toEqual(want);
    }
  });

  test("can be computed for some ids only", async () => {
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

  test("can be set, increased and zeroed in place, in order", async () => {
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

  test("show earlier edits, and earlier reads change nothing", async () => {
    using acts = await sae.encode(x);
    const before = await acts.at({ position: 3 });
    const strongest = before[0]?.feature as number;
    const [first, second] = [await acts.read(), await acts.read()];
    first.values.fill(-1);
    first.indices.fill(0);
    expect(second.values).not.toEqual(first.values);
    expect(await acts.at({ position: 3 })).toEqual(before);
    const early = acts.at({ position: 3 });
    acts.zero(strongest);
    expect(await early).toEqual(before);
    const left = before.filter(({ feature }) => feature !== strongest);
    expect(await acts.at({ position: 3 })).toEqual(left);
    expect((await acts.topK(10_000)).some(({ feature }) => feature === strongest)).toBe(false);
    acts.set(strongest, 1000, { positions: 3 });
    expect(await acts.topK(1)).toMatchObject([{ position: 3, feature: strongest, value: 1000 }]);
    const running = acts.at({ position: 3 });
    acts.dispose();
    expect((await running)[0]).toEqual({ feature: strongest, value: 1000 });
    expect((await failure(() => acts.at({ position: 3 }))).code).toBe("DISPOSED");
    expect((await failure(() => acts.read())).code).toBe("DISPOSED");
  });

  test("can be disposed right after a call, with or without pending edits", async () => {
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
      () => acts.at({ position: 0 }),
      () => acts.topK(1),
      () => acts.toDense(),
      () => acts.set(1, 1),
      () => acts.nnz,
      () => sae.decode(acts),
    ]) {
      expect((await failure(call)).code).toBe("DISPOSED");
    }
  });

  test("keep the coder's error when edited, and unedited tokens bit for bit", async () => {
    using same = await sae.edit(x, () => {});
    expect([...(await same.read("float32"))]).toEqual([...(await x.read("float32"))]);
    using edited = await sae.edit(x, async (acts) => {
      await acts.read();
      acts.set(11, 4, { positions: 2 });
      await acts.at({ position: 2 });
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

  test("have read-only directions", async () => {
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

  test("print a summary, also after dispose, as coders do", async () => {
    const acts = await sae.encode(x);
    expect(inspect(acts)).toMatch(/^FeatureActs \[1, 24, 96\] float32 \S+, \d+ active/);
    acts.set(1, 2);
    expect(inspect(acts)).toContain("1 edits to apply");
    acts.dispose();
    expect(inspect(acts)).toContain("disposed");
    expect(inspect(sae)).toBe(
      `SAE blocks.2.hook_resid_post (48 → 96 → 48, jumprelu, float32 ${sae.cfg.device})`,
    );
  });

  test("live as long as the surrounding tidy, unless kept or returned", async () => {
    const before = (await settledMemory()).handles;
    const [kept, returned] = await tidy(async () => {
      const first = (await sae.encode(x)).keep();
      await sae.encode(x);
      return [first, await sae.encode(x)];
    });
    expect(memory().handles).toBe(before + 2);
    expect(kept.nnz).toBe(returned.nnz);
    kept.dispose();
    returned.dispose();
    expect(memory().handles).toBe(before);
  });

  test("check ids, positions and values at the call", async () => {
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
      () => acts.at({ position: 24 }),
      () => acts.at({ position: 0, batch: 1 }),
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
