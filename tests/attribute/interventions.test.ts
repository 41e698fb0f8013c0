import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Attribution,
  type AttributionMethod,
  ablate,
  activationPatching,
  attribute,
  type CoderSplice,
  clamp,
  HookedTransformer,
  type Intervention,
  patch,
  project,
  SAE,
  type SingleSiteCoder,
  scale,
  steer,
  Transcoder,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";
import { Random } from "../support/random.js";

// Compares effects while other interventions are in force with plain runs of the same edits.
const target = { logit: 9, position: 8 } as const;
const sets = ["at other blocks", "of the same coder", "at the first block that runs", "of tokens"];
type Spliced = "none" | "another" | "the same";
const models: [folder: string, spliced: readonly Spliced[]][] = [
  ["tiny-gemma2", ["none", "another", "the same"]],
  ["tiny-gemma3", ["another"]],
];

describe.each(models)("%s", (folder, all) => {
  const combinations = sets.flatMap((set) => all.map((spliced) => [set, spliced] as const));
  const oracle = new Oracle<never>(folder, "attribution");
  const prompt = oracle.prompt("p10");
  let model: HookedTransformer;
  let exact: HookedTransformer;
  let res: SingleSiteCoder;
  let skip: SingleSiteCoder;
  let later: SingleSiteCoder;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
    exact = await HookedTransformer.fromPretrained(fixture(folder), { device, dtype: "float64" });
    await oracle.load();
    [res, skip, later] = [oracle.coder("res"), oracle.coder("skip"), oracle.coder("later")];
  });
  afterAll(async () => {
    oracle.dispose();
    await model.dispose();
    await exact.dispose();
  });

  const vector = (seed: number) => Float32Array.from(new Random(seed).normals(model.cfg.dModel));

  /** Feature `i` of the features that are active at a position of the plain run. */
  async function active(coder: SingleSiteCoder, position: number, i: number) {
    using run = await exact.runWithCache(prompt, { names: [], features: [coder], logits: false });
    const found = await run.features(coder).at({ position });
    return coder.feature(found[i % found.length]?.feature as number);
  }

  async function interventionsOf(set: string, on: HookedTransformer): Promise<Intervention[]> {
    if (set === "at other blocks") {
      const z = "blocks.1.attn.hook_z";
      using other = await on.runWithCache(oracle.prompt("other"), { names: [z], logits: false });
      return [
        steer({ hook: "hook_embed", vector: vector(1) }, 0.5, { positions: [1, -3] }),
        ablate(await active(skip, 4, 0)),
        patch(z, other.cache, { heads: 1, positions: { from: 3, to: -2 } }),
        project("blocks.3.hook_resid_pre", vector(2)),
        clamp(await active(later, 8, 0), 2, { positions: { from: 2 } }),
        project("unembed.hook_in", vector(3), { positions: -2 }),
      ];
    }
    if (set === "of the same coder") {
      const hook = res.cfg.hookNameOut as "blocks.2.hook_resid_post";
      return [
        steer({ hook, vector: vector(4) }, 0.4, { positions: { from: 2 } }),
        scale(await active(res, 6, 0), 0.5),
        project(hook, vector(5)),
        clamp(res.feature(3), 5, { positions: [4, 5] }),
        ablate(await active(res, 7, 1), { batch: 0 }),
        scale(await active(skip, 5, 0), -2),
        steer({ hook, vector: vector(6) }, 2, { cap: 0.3 }),
        clamp(await active(later, 8, 0), 2, { positions: { from: 2 } }),
      ];
    }
    if (set === "at the first block that runs") {
      return [
        project("blocks.2.hook_resid_pre", vector(7)),
        steer({ hook: "blocks.2.hook_resid_pre", vector: vector(8) }, 0.5),
        steer({ hook: "blocks.1.hook_resid_post", vector: vector(9) }, 0.5),
        steer({ hook: "blocks.1.hook_resid_pre", vector: vector(10) }, 0.5),
        steer(skip.feature(2), 3, { batch: [0], positions: -2 }),
      ];
    }
    return [
      scale(await active(skip, 5, 0), 3, { excludeSpecialTokens: prompt.slice(5, 6) }),
      steer({ hook: "blocks.0.hook_resid_post", vector: vector(11) }, 0.5, {
        excludeSpecialTokens: true,
      }),
    ];
  }

  function codersOf(spliced: Spliced): CoderSplice[] {
    if (spliced === "none") return [];
    if (spliced === "another") return [{ coder: skip, errorTerm: false }];
    return [{ coder: res, errorTerm: true }];
  }

  async function logitWith(
    on: HookedTransformer,
    coders: readonly CoderSplice[],
    interventions: readonly Intervention[],
  ): Promise<number> {
    using logits = await on.forward(prompt, { coders, interventions, positions: [8] });
    const values = await logits.read("float64");
    return values[target.logit] as number;
  }

  /** The strongest effects, and a few others. */
  function some(found: readonly Attribution[]): Attribution[] {
    return found.filter((_, i) => i < 3 || i % Math.ceil(found.length / 4) === 1);
  }

  const effectOf = ({ effect }: Attribution) => effect;

  test.each(combinations)("ablation with interventions %s, splices: %s", async (set, spliced) => {
    const interventions = await interventionsOf(set, model);
    const coders = codersOf(spliced);
    const clean = await logitWith(model, coders, interventions);
    for (const through of [res, skip]) {
      const found = await attribute(model, prompt, {
        ...{ target, through: [through], method: "ablation", batchSize: 7 },
        ...{ coders, interventions },
      });
      expect(found.value).toBeCloseTo(clean, 4);
      const chosen = some(found);
      expect(chosen.length).toBeGreaterThan(3);
      const want: number[] = [];
      for (const { coder, feature, position } of chosen) {
        const without = ablate({ coder, feature }, { positions: position });
        want.push(clean - (await logitWith(model, coders, [...interventions, without])));
      }
      expect(Math.abs(want[0] as number)).toBeGreaterThan(1e-3);
      expect(relativeError(chosen.map(effectOf), want)).toBeLessThan(1e-4);
      // Ablating the features without an entry changes nothing.
      const known = new Set(found.map(({ position, feature }) => `${position} ${feature}`));
      const rest = [...Array(through.cfg.dSae).keys()].flatMap((feature) =>
        known.has(`${feature % 10} ${feature}`) ? [] : [[feature, feature % 10] as const],
      );
      const others = rest.map(([feature, positions]) =>
        ablate(through.feature(feature), { positions }),
      );
      const same = await logitWith(model, coders, [...interventions, ...others]);
      expect(Math.abs(same - clean)).toBeLessThan(1e-5);
    }
  });

  test.each(combinations)("gradients with interventions %s, splices: %s", async (set, spliced) => {
    const interventions = await interventionsOf(set, exact);
    const coders = codersOf(spliced);
    const found = await attribute(exact, prompt, {
      ...{ target, through: [res, skip], coders, interventions },
    });
    const step = 2 ** -10;
    // A splice's error term is constant to gradients, so no gradient flows through `res`.
    for (const through of spliced === "the same" ? [res] : [res, skip]) {
      const chosen = some(found.filter(({ coder }) => coder === through));
      const want: number[] = [];
      for (const { coder, feature, position } of chosen) {
        const at = async (factor: number) => {
          const scaled = scale({ coder, feature }, factor, { positions: position });
          return logitWith(exact, coders, [...interventions, scaled]);
        };
        want.push(((await at(1 + step)) - (await at(1 - step))) / (2 * step));
      }
      expect(Math.abs(want[0] as number)).toBeGreaterThan(1e-3);
      expect(relativeError(chosen.map(effectOf), want), through.cfg.hookName).toBeLessThan(1e-4);
    }
  });

  test.each(combinations)("paths with interventions %s, splices: %s", async (set, spliced) => {
    const interventions = await interventionsOf(set, exact);
    const coders = codersOf(spliced);
    const clean = await logitWith(exact, coders, interventions);
    const found = await attribute(exact, prompt, {
      ...{ target, through: spliced === "the same" ? [res] : [res, skip] },
      ...{ method: "integrated-gradients", coders, interventions },
    });
    expect(found.value).toBeCloseTo(clean, 6);
    for (const { coder, change, gap } of found.completeness) {
      const effects = found.filter((entry) => entry.coder === coder);
      const without = effects.map(({ feature, position }) =>
        ablate({ coder, feature }, { positions: position }),
      );
      const want = clean - (await logitWith(exact, coders, [...interventions, ...without]));
      expect(Math.abs(change - want)).toBeLessThan(1e-4 * Math.abs(want) + 1e-6);
      // Edits of `res` switch its features on and off along the path of `skip`. The target jumps
      // there, and no gradient sees a jump.
      if (set === "of the same coder" && coder === skip) continue;
      expect(gap).toBeLessThanOrEqual(0.01);
      const sum = effects.reduce((total, { effect }) => total + effect, 0);
      expect(Math.abs(sum - want)).toBeLessThan(0.0101 * Math.abs(want));
    }
  });

  test("an edited feature has its edited activation", async () => {
    const before = await active(res, 6, 0);
    const [activation] = await (async () => {
      using run = await model.runWithCache(prompt, { names: [], features: [res], logits: false });
      return run.features(res).at({ position: 6 });
    })();
    for (const method of ["gradient", "integrated-gradients", "ablation"] as const) {
      for (const coders of [[], [res]]) {
        const found = await attribute(model, prompt, {
          ...{ target, through: [res], method, coders },
          interventions: [
            scale(before, 0.5, { positions: 6 }),
            clamp(res.feature(3), 5, { positions: 4 }),
            ablate(await active(res, 7, 1)),
          ],
        });
        const at = (feature: number, position: number) =>
          found.find((entry) => entry.feature === feature && entry.position === position);
        expect(at(3, 4)?.activation, method).toBe(5);
        expect(at(before.feature, 6)?.activation).toBeCloseTo((activation?.value as number) / 2, 4);
        const gone = (await active(res, 7, 1)).feature;
        expect(found.filter(({ feature }) => feature === gone)).toEqual([]);
      }
    }
  });

  test("edits at the input of the first block that runs apply once", async () => {
    using entering = await SAE.fromFile(res.cfg.path, {
      hookName: "blocks.2.hook_resid_pre",
      device,
    });
    const coders = [{ coder: entering, errorTerm: false }];
    const interventions = [clamp(entering.feature(5), 4), scale(entering.feature(5), 0.5)];
    const clean = await logitWith(model, coders, interventions);
    const found = await attribute(model, prompt, {
      ...{ target, through: [res], method: "ablation", coders, interventions, topK: 3 },
    });
    for (const { coder, feature, position, effect } of found) {
      const without = ablate({ coder, feature }, { positions: position });
      const want = clean - (await logitWith(model, coders, [...interventions, without]));
      expect(Math.abs(effect - want)).toBeLessThan(1e-4 * Math.abs(want) + 1e-5);
    }
  });

  test("a feature can be read before the first block that would run and written after it", async () => {
    using across = await Transcoder.fromFile(skip.cfg.path, {
      hookName: "blocks.1.ln2.hook_normalized",
      hookNameOut: "blocks.3.hook_mlp_out",
      device,
    });
    const interventions = [scale(await active(across, 7, 0), 4), clamp(across.feature(2), 3)];
    const clean = await logitWith(model, [], interventions);
    const found = await attribute(model, prompt, {
      ...{ target, through: [res], method: "ablation", interventions, topK: 3 },
    });
    for (const { coder, feature, position, effect } of found) {
      const without = ablate({ coder, feature }, { positions: position });
      const want = clean - (await logitWith(model, [], [...interventions, without]));
      expect(Math.abs(effect - want)).toBeLessThan(1e-4 * Math.abs(want) + 1e-5);
    }
  });

  test("patching grids apply interventions in both runs", async () => {
    const interventions = await interventionsOf("at the first block that runs", model);
    const [clean, corrupt] = [prompt, oracle.prompt("other")];
    const grid = await activationPatching(model, {
      ...{ clean, corrupt, target, over: { points: "resid_pre" }, interventions },
    });
    const names = ["blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"] as const;
    using run = await model.runWithCache(clean, { interventions, names, logits: false });
    for (const [layer, name] of [[1, names[0]] as const, [2, names[1]] as const]) {
      const patched = patch(name, run.cache, { positions: 6 });
      using logits = await model.forward(corrupt, {
        interventions: [...interventions, patched],
        positions: [8],
      });
      const want = (await logits.read("float64"))[target.logit];
      expect(grid.at({ layer, position: 6 }).value).toBeCloseTo(want as number, 4);
    }
    expect(grid.clean).toBeCloseTo(await logitWith(model, [], interventions), 4);
  });

  test("excludes tokens along with edits of the coder", async () => {
    const interventions = [
      clamp(res.feature(3), 5),
      ...(await interventionsOf("of tokens", model)),
    ];
    for (const method of ["gradient", "integrated-gradients", "ablation"] as AttributionMethod[]) {
      const of = (excludeSpecialTokens: number[]) =>
        attribute(model, prompt, {
          ...{ target, through: [res], method, interventions, excludeSpecialTokens },
        });
      const [all, found] = [await of([]), await of([prompt[5] as number])];
      const left = all.filter(({ position }) => prompt[position] !== prompt[5]);
      expect(found.map(({ position }) => prompt[position])).not.toContain(prompt[5]);
      expect(found.length, method).toBe(left.length);
      if (method !== "integrated-gradients") {
        expect(relativeError(found.map(effectOf), left.map(effectOf))).toBeLessThan(1e-4);
      }
    }
  });

  test("refuses interventions that no run of the prompt accepts, before any run", async () => {
    const two = [prompt, prompt];
    using run = await model.runWithCache(two, { names: ["hook_embed"], logits: false });
    const wrong: [unknown, string, RegExp][] = [
      [[ablate(res.feature(1), { batch: 1 })], "ARGUMENT", /interventions\[0\]\.batch.* got 1/],
      [[ablate(res.feature(1), { batch: [0, 1] })], "ARGUMENT", /interventions\[0\]\.batch/],
      [[ablate(res.feature(1), { positions: 10 })], "ARGUMENT", /interventions\[0\]\.positions/],
      [[patch("hook_embed", run.cache)], "SHAPE", /source of 1 row/],
      [[{ type: "blur" }], "ARGUMENT", /interventions\[0\]/],
      [ablate(res.feature(1)), "ARGUMENT", /an array of interventions/],
    ];
    for (const [interventions, code, message] of wrong) {
      const got = await failure(() =>
        attribute(model, prompt, { target, through: [res], interventions: interventions as never }),
      );
      expect(got).toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });
});
