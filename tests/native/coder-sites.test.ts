import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  attribute,
  clamp,
  type FeatureActs,
  type Hook,
  HookedTransformer,
  hook,
  Intervention,
  type RunEditOptions,
  scale,
  steer,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import {
  CrossLayer,
  encoded,
  perLayer,
  preActivation,
  reads,
  row,
  width,
  writes,
  written,
} from "./fixtures/cross-layer.js";

const tokens = [2, 50, 60, 70, 80];
const count = 2 * perLayer;
let model: HookedTransformer;
let coder: CrossLayer;
let xs: Float32Array[];
let f: Float64Array;
let active: number[]; // The ids that are active at the last token, of both encoders.

beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
    device,
    dtype: "float32",
  });
  coder = await CrossLayer.load();
  using run = await model.runWithCache(tokens, { names: [...reads], logits: false });
  xs = await Promise.all(
    reads.map((name) => run.cache.get(name).read("float32") as Promise<Float32Array>),
  );
  f = encoded(xs);
  active = [...f.subarray(-count).keys()].filter((id) => (f.at(id - count) as number) > 0);
});
afterAll(async () => {
  coder.dispose();
  await model.dispose();
});

const first = () => active.find((id) => id < perLayer) as number;
const second = () => active.find((id) => id >= perLayer) as number;
const upload = (values: Float64Array, like: Tensor) =>
  tensor(values, { shape: like.shape, device: device as "cpu" }).to(like.dtype);
async function dense(acts: FeatureActs): Promise<Float64Array> {
  using all = await acts.toDense();
  return all.read("float64") as Promise<Float64Array>;
}

/**
 * The expected effect of a splice or an edit, in JavaScript and float64: `change` makes f′ from f.
 */
function inHooks(change: (f: Float64Array, first: number) => void, bare = false): Hook[] {
  const seen: Float64Array[] = [];
  const readers = reads.map((name, site) =>
    hook(name as string, async (act) => {
      seen[site] = (await act.read("float64")) as Float64Array;
    }),
  );
  const writers = writes.map((name, site) =>
    hook(name as string, async (act, { positionOffset }) => {
      // The later site has not been read yet when the first is written, so it adds nothing there.
      const before = encoded([seen[0] as Float64Array, seen[site] as Float64Array]);
      const after = before.slice();
      change(after, positionOffset);
      if (bare) return upload(written(after, site, true), act);
      const [now, was] = [written(after, site, false), written(before, site, false)];
      return act.add(
        upload(
          now.map((value, i) => value - (was[i] as number)),
          act,
        ),
      );
    }),
  );
  return [...readers, ...writers];
}

async function expectSame(edits: RunEditOptions, hooks: Hook[]): Promise<void> {
  using got = await model.forward(tokens, edits);
  using want = await model.forward(tokens, { hooks });
  using plain = await model.forward(tokens);
  const values = await want.read("float32");
  expect(relativeError(await got.read("float32"), values)).toBeLessThan(1e-4);
  expect(relativeError(await plain.read("float32"), values)).toBeGreaterThan(1e-3);
}

describe("a coder of two sites", () => {
  test("has flat ids, sites and directions", async () => {
    expect(active.some((id) => id < perLayer) && active.some((id) => id >= perLayer)).toBe(true);
    expect(coder.cfg.reads).toEqual([
      { hookName: reads[0], layer: 1, width },
      { hookName: reads[1], layer: 2, width },
    ]);
    expect([coder.cfg.dSae, coder.locate(5), coder.locate(7)]).toEqual([
      count,
      { layer: 1, index: 5 },
      { layer: 2, index: 1 },
    ]);
    const direction = coder.direction(3, "decoder", 1);
    expect(await direction.read()).toEqual(row(3, 1));
    expect((await failure(() => coder.direction(3))).code).toBe("ARGUMENT");
    expect((await failure(() => coder.direction(7, "decoder", 0))).code).toBe("ARGUMENT");
    expect((await failure(() => coder.locate(count))).code).toBe("ARGUMENT");
    expect(inspect(coder)).toContain(`${reads.join(", ")} → ${writes.join(", ")}`);
    expect(JSON.parse(JSON.stringify(coder))).toMatchObject({ hook: reads[0], dSae: count });
  });

  test("encodes, decodes, and accepts its tensors in any form", async () => {
    using run = await model.runWithCache(tokens, {
      names: [...reads, ...writes],
      features: [coder],
      logits: false,
    });
    const list = reads.map((name) => run.cache.get(name) as Tensor);
    const record = Object.fromEntries(reads.map((name, i) => [name, list[i] as Tensor]));
    for (const inputs of [run, run.cache, record, list]) {
      using acts = await coder.encode(inputs);
      expect(acts.shape).toEqual([1, tokens.length, count]);
      expect(relativeError(await dense(acts), f)).toBeLessThan(1e-5);
      const { indices, indptr } = await acts.read();
      for (let i = 0; i + 1 < indptr.length; i++) {
        const ids = [...indices.subarray(indptr[i], indptr[i + 1])];
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
      }
    }
    expect(await dense(run.features(coder))).toEqual(await dense(await coder.encode(run)));
    using some = await coder.encode(run, { features: [1, 3, 8] });
    const kept = f.map((value, i) => ([1, 3, 8].includes(i % count) ? value : 0));
    expect(relativeError(await dense(some), kept)).toBeLessThan(1e-5);

    using acts = await coder.encode(run);
    const ys = writes.map((name) => run.cache.get(name) as Tensor);
    const outs = {
      decode: await coder.decode(acts, run),
      forward: await coder.forward(run),
      error: await coder.error(run, run),
      edit: await coder.edit(run, ys, (all) => void all.zero(first()).set(second(), 2)),
    };
    const changed = f.map((value, i) =>
      i % count === first() ? -value : i % count === second() ? 2 - value : 0,
    );
    for (const site of [0, 1]) {
      const rebuilt = written(f, site, true);
      const y = (await (ys[site] as Tensor).read("float64")) as Float64Array;
      const moved = written(changed, site, false);
      const want = {
        decode: rebuilt,
        forward: rebuilt,
        error: y.map((value, i) => value - (rebuilt[i] as number)),
        edit: y.map((value, i) => value + (moved[i] as number)),
      };
      for (const [name, list] of Object.entries(outs)) {
        const got = await (list[site] as Tensor).read("float64");
        const error = relativeError(got, want[name as keyof typeof want]);
        expect(error, `${name} ${site}`).toBeLessThan(1e-5);
      }
    }
  });

  test("refuses tensors of other sites", async () => {
    using run = await model.runWithCache(tokens, { names: [...reads], logits: false });
    const [a, b] = reads.map((name) => run.cache.get(name) as Tensor) as [Tensor, Tensor];
    using short = b.slice(1, 0, 2);
    const tries: [string, () => Promise<unknown>][] = [
      ["ARGUMENT", () => coder.encode([a])],
      ["HOOK", () => coder.encode([b, a])],
      ["SHAPE", () => coder.encode([a, short])],
      ["NOT_FOUND", () => coder.encode({ [reads[0]]: a })],
      ["NOT_FOUND", () => coder.error(run, run)],
    ];
    for (const [code, attempt] of tries) expect((await failure(attempt)).code).toBe(code);
  });

  test("can be spliced with its error term, which changes nothing, and without it", async () => {
    using plain = await model.forward(tokens);
    using spliced = await model.forward(tokens, { coders: [coder] });
    expect(await spliced.read()).toEqual(await plain.read());
    await expectSame(
      { coders: [{ coder, errorTerm: false }] },
      inHooks(() => {}, true),
    );
    await expectSame(
      {
        coders: [{ coder, errorTerm: false }],
        interventions: [ablate(coder.feature(first())), clamp(coder.feature(second()), 3)],
      },
      inHooks((all) => {
        for (let i = first(); i < all.length; i += count) all[i] = 0;
        for (let i = second(); i < all.length; i += count) all[i] = 3;
      }, true),
    );
  });

  test("can be ablated, clamped, scaled and steered at every site that it writes", async () => {
    const at = (id: number, change: (value: number) => number) =>
      inHooks((all) => {
        for (let i = id; i < all.length; i += count) all[i] = change(all[i] as number);
      });
    const [a, b] = [first(), second()];
    await expectSame(
      { interventions: [ablate(coder.feature(a))] },
      at(a, () => 0),
    );
    await expectSame(
      { interventions: [clamp(coder.feature(b), 4)] },
      at(b, () => 4),
    );
    await expectSame(
      { interventions: [scale(coder.feature(a), 3)] },
      at(a, (value) => 3 * value),
    );
    await expectSame(
      { interventions: [ablate(coder.feature(a)), clamp(coder.feature(b), 4)], coders: [coder] },
      inHooks((all) => {
        for (let i = a; i < all.length; i += count) all[i] = 0;
        for (let i = b; i < all.length; i += count) all[i] = 4;
      }),
    );
    const added = writes.map((name, site) =>
      hook(name as string, (act) => {
        const vector = tensor(row(a, site), { device: device as "cpu" });
        return act.add(vector.mul(2));
      }),
    );
    await expectSame({ interventions: [steer(coder.feature(a), 2)] }, added);
  });

  test("can be edited during generation", async () => {
    const options = { temperature: 0, maxNewTokens: 5 };
    const drawn = async (edits: object): Promise<number[]> => {
      const found: number[] = [];
      for await (const { token, logprob } of model.generate(tokens, { ...options, ...edits })) {
        found.push(token, logprob);
      }
      return found;
    };
    const interventions = [clamp(coder.feature(first()), 6)];
    const got = await drawn({ interventions });
    const hooks = inHooks((all) => {
      for (let i = first(); i < all.length; i += count) all[i] = 6;
    });
    const want = await drawn({ hooks });
    expect(relativeError(got, want)).toBeLessThan(1e-4);
    expect(relativeError(await drawn({}), want)).toBeGreaterThan(1e-3);
  });

  test("survives JSON through the bytes of its files", async () => {
    const json = await Intervention.toJSON([ablate(coder.feature(second()))]);
    using same = await CrossLayer.load();
    const [back] = await Intervention.fromJSON(JSON.parse(JSON.stringify(json)), {
      coders: [same],
    });
    expect(back).toMatchObject({ type: "ablate", target: { feature: second() } });
  });
});

describe("gradients through two sites", () => {
  let wide: HookedTransformer;
  beforeAll(async () => {
    wide = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      device,
      dtype: "float64",
    });
  });
  afterAll(async () => {
    await wide.dispose();
  });
  const target = { logit: 40, position: -1 } as const;
  const position = 2;
  const step = 1e-4;
  async function logit(options: object): Promise<number> {
    using logits = await wide.forward(tokens, { ...options, positions: [-1] });
    return ((await logits.read("float64")) as Float64Array)[40] as number;
  }

  test("attribute's effects equal activation times slope", async () => {
    const found = await attribute(wide, tokens, { target, through: [coder] });
    expect(found.length).toBe(f.filter((value) => value > 0).length);
    const here = found.filter((entry) => entry.position === position);
    expect(new Set(here.map(({ feature }) => Math.floor(feature / perLayer))).size).toBe(2);
    for (const { feature, activation, effect } of here) {
      const moved = (by: number) =>
        writes.map((name, site) =>
          hook(name as string, (act) => {
            const delta = new Float64Array(tokens.length * width);
            delta.set(
              Float64Array.from(row(feature, site), (w) => w * by),
              position * width,
            );
            return act.add(upload(delta, act));
          }),
        );
      const [more, less] = [
        await logit({ hooks: moved(step) }),
        await logit({ hooks: moved(-step) }),
      ];
      const slope = (more - less) / (2 * step);
      expect(effect).toBeCloseTo(activation * slope, 4);
    }
  });

  test("gradients of a splice without error term equal the slopes at its features", async () => {
    const id = first();
    const coders = [{ coder, errorTerm: false }];
    const held = (value: number) => [clamp(coder.feature(id), value, { positions: position })];
    using run = await wide.runWithGradients(tokens, { target, coders, interventions: held(2) });
    const slopes = await run.grad(coder).at({ position });
    const slope = slopes.find(({ feature }) => feature === id)?.value;
    const h = 1e-2; // f′ is float32
    const more = await logit({ coders, interventions: held(2 + h) });
    const less = await logit({ coders, interventions: held(2 - h) });
    expect(slope).toBeCloseTo((more - less) / (2 * h), 3);
  });

  test("ablation effects equal those of ablate, and a feature can be the target", async () => {
    const found = await attribute(wide, tokens, { target, through: [coder], method: "ablation" });
    const [strongest] = found;
    if (strongest === undefined) throw new Error("no feature is active");
    const { feature, position: at, effect } = strongest;
    const hooks = inHooks((all) => {
      all[at * count + feature] = 0;
    });
    expect(effect).toBeCloseTo(found.value - (await logit({ hooks })), 4);
    const id = second();
    using run = await wide.runWithGradients(tokens, {
      target: { feature: coder.feature(id), position },
      names: ["hook_embed"],
    });
    const want = preActivation(xs[1] as Float32Array, position, 1, id - perLayer);
    expect(run.value).toBeCloseTo(want, 4);
  });

  test("functions for coders of one site refuse it", async () => {
    const method = "integrated-gradients";
    const attempt = () => attribute(wide, tokens, { target, through: [coder], method });
    expect((await failure(attempt)).code).toBe("UNSUPPORTED");
  });
});
