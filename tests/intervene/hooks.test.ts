import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  clamp,
  type FeatureActs,
  type Hook,
  HookedTransformer,
  hook,
  type Intervention,
  patch,
  project,
  SAE,
  type SingleSiteCoder,
  scale,
  steer,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { Cases } from "../support/cases.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

/** The guide's pattern with the coder's error kept: y + decode(f′) − decode(f). */
function edited(coder: SingleSiteCoder, change: (acts: FeatureActs) => unknown): Hook[] {
  let x: Tensor;
  const { hookName, hookNameOut } = coder.cfg;
  const read = hook(hookName, (act) => {
    x = act.clone().keep();
  });
  const write = hook(hookNameOut, async (y) => {
    const acts = await coder.encode(x);
    const before = await coder.decode(acts, x);
    await change(acts);
    const after = await coder.decode(acts, x);
    x.dispose();
    return y.add(after.sub(before).reshape(y.shape));
  });
  return [read, write];
}

/** The guide's pattern without the error term: the reconstruction replaces the activation. */
function bare(coder: SingleSiteCoder, change: (acts: FeatureActs) => unknown = () => {}): Hook[] {
  let x: Tensor;
  const { hookName, hookNameOut } = coder.cfg;
  const read = hook(hookName, (act) => {
    x = act.clone().keep();
  });
  const write = hook(hookNameOut, async (y) => {
    const acts = await coder.encode(x);
    await change(acts);
    const rebuilt = await coder.decode(acts, x);
    x.dispose();
    return rebuilt.reshape(y.shape);
  });
  return [read, write];
}

function difference(got: Tensor, want: Tensor): number {
  return relativeError(got.readSync("float32"), want.readSync("float32"));
}

const rows = [
  [2, 107, 122, 85, 85, 84, 55, 121],
  [2, 74, 6, 13, 22],
];

/** The same for a batch of `rows`; values at padding have no meaning. */
function rowDifference(got: Tensor, want: Tensor): number {
  const real = (x: Tensor) =>
    rows.flatMap(({ length }, row) => [
      ...x.select(0, row).slice(0, 0, length).readSync("float32"),
    ]);
  return relativeError(real(got), real(want));
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("native and JavaScript on %s", (name) => {
  let model: HookedTransformer;
  const cases = new Cases(name, "interventions");
  const keys = Object.keys(cases.file.coders);
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
    await cases.load(model);
  });
  afterAll(async () => {
    cases.dispose();
    await model.dispose();
  });

  /**
   * The strongest features on the prompts; they are active at some positions, and not at all of
   * them.
   */
  async function strongest(coder: SingleSiteCoder, k: number): Promise<number[]> {
    using run = await model.runWithCache(rows, { names: [], features: [coder], logits: false });
    const top = await run.features(coder).topK(40);
    return [...new Set(top.map(({ feature }) => feature))].slice(0, k);
  }

  async function expectSame(interventions: Intervention[], hooks: Hook[]): Promise<void> {
    using plain = await model.forward(rows);
    using got = await model.forward(rows, { interventions });
    using want = await model.forward(rows, { hooks });
    expect(rowDifference(got, want)).toBeLessThan(1e-5);
    expect(rowDifference(got, plain)).toBeGreaterThan(1e-3);
  }

  test.each(keys)("edits %s's features", async (key) => {
    const coder = cases.coder(key);
    const [a = 0, b = 0, c = 0] = await strongest(coder, 3);
    await expectSame(
      [ablate(coder.feature(a))],
      edited(coder, (acts) => acts.zero(a)),
    );
    const somewhere = { positions: [1, -2], batch: 1 };
    await expectSame(
      [clamp(coder.feature(b), 7), clamp(coder.feature(c), 20, somewhere)],
      edited(coder, (acts) => acts.set(b, 7).set(c, 20, somewhere)),
    );
    await expectSame(
      [scale(coder.feature(a), 3), ablate(coder.feature(b), { to: 0.5 })],
      edited(coder, async (acts) => {
        // f + 2·f needs the values at every active position.
        for (const { batch, position, feature, value } of await acts.topK(1000)) {
          if (feature === a) acts.add(a, 2 * value, { positions: position, batch });
        }
        acts.set(b, 0.5);
      }),
    );
  });

  test.each(keys)("splices %s without its error term", async (key) => {
    const coder = cases.coder(key);
    const [a = 0] = await strongest(coder, 1);
    const coders = [{ coder, errorTerm: false }];
    using plain = await model.forward(rows);
    for (const [interventions, hooks] of [
      [[], bare(coder)],
      [[clamp(coder.feature(a), 9)], bare(coder, (acts) => acts.set(a, 9))],
    ] as [Intervention[], Hook[]][]) {
      using got = await model.forward(rows, { coders, interventions });
      using want = await model.forward(rows, { hooks });
      expect(rowDifference(got, want)).toBeLessThan(1e-5);
      expect(rowDifference(got, plain)).toBeGreaterThan(1e-3);
    }
  });

  test("all coders at once with their error terms change nothing", async () => {
    using plain = await model.forward(rows);
    using got = await model.forward(rows, { coders: keys.map((key) => cases.coder(key)) });
    expect(rowDifference(got, plain)).toBeLessThan(1e-6);
  });

  test("sae.edit edits in one line", async () => {
    const sae = cases.coder("res") as SAE;
    const [a = 0] = await strongest(sae, 1);
    await expectSame(
      [clamp(sae.feature(a), 12)],
      [hook(sae.cfg.hookName, (act) => sae.edit(act as Tensor, (acts) => void acts.set(a, 12)))],
    );
  });

  test("computes only the columns of the features that change", async () => {
    const sae = cases.coder("res");
    const [a = 0, b = 0] = await strongest(sae, 2);
    const only = hook(sae.cfg.hookName, async (act) => {
      // encode with `features` computes no other columns.
      const acts = await sae.encode(act, { features: [a, b] });
      const before = await sae.decode(acts);
      acts.zero(a).set(b, 4);
      return act.add((await sae.decode(acts)).sub(before));
    });
    await expectSame([ablate(sae.feature(a)), clamp(sae.feature(b), 4)], [only]);
  });

  test("steers and projects by the formulas", async () => {
    const sae = cases.coder("res");
    const at = "blocks.1.hook_resid_post" as const;
    const values = Array.from({ length: model.cfg.dModel }, (_, i) => Math.sin(i + 1));
    const vector = tensor(values, { device: device as "cpu" });
    const length = vector.norm().item() as number;
    const unit = vector.div(length);
    const along = (x: Tensor) => x.mul(unit).sum({ dim: -1, keepdim: true });
    await expectSame([steer({ hook: at, vector }, 0.7)], [hook(at, (x) => x.add(vector.mul(0.7)))]);
    await expectSame(
      [steer(sae.feature(5), -4)],
      [hook(sae.cfg.hookNameOut, (x) => x.add(sae.direction(5).mul(-4)))],
    );
    await expectSame([project(at, values)], [hook(at, (x) => x.sub(along(x).mul(unit)))]);
    const clamped = (low: number, high: number, cap: number) =>
      hook(at, (x) => {
        const missing = along(x).neg().add(cap).tolist() as number[][][];
        const step = missing.map((row) =>
          row.map(([value = 0]) => [Math.min(high, Math.max(low, value))]),
        );
        return x.add(tensor(step, { device: device as "cpu" }).mul(unit));
      });
    await expectSame([steer({ hook: at, vector }, 1, { cap: 2 })], [clamped(0, length, 2)]);
    await expectSame(
      [steer({ hook: at, vector: new Float32Array(values) }, -2, { cap: -1 })],
      [clamped(-2 * length, 0, -1)],
    );
    const infinite = Number.POSITIVE_INFINITY;
    await expectSame(
      [steer({ hook: at, vector }, infinite, { cap: 1 })],
      [clamped(0, infinite, 1)],
    );
    await expectSame(
      [steer({ hook: at, vector }, -infinite, { cap: -0.5 })],
      [clamped(-infinite, 0, -0.5)],
    );
    for (const each of [vector, unit]) each.dispose();
  });

  test("patches heads from another run", async () => {
    const at = "blocks.1.attn.hook_z" as const;
    const others = rows.map((row) => row.map((id) => (id === 2 ? 2 : (id * 7) % 100)));
    using run = await model.runWithCache(others, { names: [at], logits: false });
    const source = run.cache.get(at);
    await expectSame(
      [patch(at, run.cache, { heads: [1, 3], positions: [2, 4] })],
      [
        hook(at, (z) => {
          for (const head of [1, 3]) {
            for (const pos of [2, 4]) {
              z.select(1, pos).select(1, head).copy_(source.select(1, pos).select(1, head));
            }
          }
        }),
      ],
    );
  });
});

describe("the order at one hook", () => {
  let model: HookedTransformer;
  let sae: SAE;
  const at = "blocks.2.hook_resid_post" as const;
  const prompt = [2, 107, 122, 85, 84];
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName: at, device });
  });
  afterAll(async () => {
    sae.dispose();
    await model.dispose();
  });

  test("is coder, interventions as given, hooks of addHook, hooks of the call, features, cache", async () => {
    const vector = Array.from({ length: model.cfg.dModel }, (_, i) => Math.cos(i));
    const interventions = [steer({ hook: at, vector }, 2), project(at, vector)];
    const seen: Tensor[] = [];
    using _handle = model.addHook(at, (act) => {
      seen.push(act.clone().keep());
      return act.mul(2);
    });
    using run = await model.runWithCache(prompt, {
      names: [at],
      features: [sae],
      interventions,
      hooks: [hook(at, (act) => act.add(1))],
    });
    using plain = await model.runWithCache(prompt, { names: [at], logits: false });
    using v = tensor(vector, { device: device as "cpu" });
    using unit = v.div(v.norm().item() as number);
    // The plain run included the added hook, too.
    using x = plain.cache.get(at).div(2);
    using pushed = x.add(v.mul(2));
    using done = pushed.sub(pushed.mul(unit).sum({ dim: -1, keepdim: true }).mul(unit));
    expect(difference(seen[0] as Tensor, done)).toBeLessThan(1e-5);
    using want = done.mul(2).add(1);
    expect(difference(run.cache.get(at), want)).toBeLessThan(1e-5);
    using acts = await sae.encode(run.cache.get(at));
    expect([...(await run.features(sae).read()).indices]).toEqual([...(await acts.read()).indices]);
    for (const each of seen) each.dispose();
    // The reverse order gives other values.
    using other = await model.runWithCache(prompt, {
      names: [at],
      interventions: interventions.toReversed(),
      logits: false,
    });
    using turned = x
      .sub(x.mul(unit).sum({ dim: -1, keepdim: true }).mul(unit))
      .add(v.mul(2))
      .mul(2);
    expect(difference(other.cache.get(at), turned)).toBeLessThan(1e-5);
    expect(difference(other.cache.get(at), want)).toBeGreaterThan(1e-3);
  });

  test("applies the edits of one coder in one step at the first edit's place in the list", async () => {
    using run = await model.runWithCache(prompt, { names: [at], features: [sae] });
    const [strong] = await run.features(sae).topK(1);
    const { feature = 0 } = strong ?? {};
    const encoder = sae.direction(feature, "encoder");
    // The push makes the feature larger; the ablation after it subtracts the feature's earlier
    // value.
    const push = steer({ hook: at, vector: encoder }, 5);
    const other = (feature + 1) % sae.cfg.dSae;
    using got = await model.forward(prompt, {
      interventions: [clamp(sae.feature(other), 3), push, ablate(sae.feature(feature))],
    });
    using want = await model.forward(prompt, {
      hooks: [
        hook(at, (x) => sae.edit(x, (acts) => void acts.set(other, 3).zero(feature))),
        hook(at, (x) => x.add(encoder.mul(5))),
      ],
    });
    expect(difference(got, want)).toBeLessThan(1e-5);
    using later = await model.forward(prompt, {
      interventions: [push, clamp(sae.feature(other), 3), ablate(sae.feature(feature))],
    });
    using wanted = await model.forward(prompt, {
      hooks: [
        hook(at, (x) => x.add(encoder.mul(5))),
        hook(at, (x) => sae.edit(x, (acts) => void acts.set(other, 3).zero(feature))),
      ],
    });
    expect(difference(later, wanted)).toBeLessThan(1e-5);
    expect(difference(later, got)).toBeGreaterThan(1e-3);
  });

  test("shows a spliced coder's own features, with their edits", async () => {
    const interventions = [clamp(sae.feature(7), 11, { positions: 1 }), ablate(sae.feature(24))];
    using run = await model.runWithCache(prompt, {
      names: [],
      features: [sae],
      coders: [sae],
      interventions,
      logits: false,
    });
    using plain = await model.runWithCache(prompt, { names: [], features: [sae], logits: false });
    using acts = plain.features(sae);
    acts.set(7, 11, { positions: 1 }).set(24, 0);
    const [got, want] = [await run.features(sae).read(), await acts.read()];
    const active = (csr: typeof got) =>
      [...csr.values].flatMap((value, i) => (value === 0 ? [] : [[csr.indices[i], value]]));
    expect(active(got)).toEqual(active(want));
  });
});
