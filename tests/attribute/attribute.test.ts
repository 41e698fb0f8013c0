import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AttributionMethod,
  type Attributions,
  type AttributionTarget,
  ablate,
  attribute,
  HookedTransformer,
  type Metric,
  memory,
  tidy,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";

interface EffectsCase {
  readonly name: "res" | "skip" | "feature";
  readonly prompt: string;
  readonly coder: string;
  readonly target:
    | { readonly logitDiff: [number, number] }
    | { readonly feature: { coder: string; feature: number }; readonly position: number };
  readonly value: number;
  readonly change: number;
  readonly entries: string;
  readonly acts: string;
  readonly gradient: string;
  readonly integrated: string;
  readonly ablation: string;
}

const methods: [AttributionMethod, "gradient" | "integrated" | "ablation", number][] = [
  ["gradient", "gradient", 1e-4],
  // The midpoint rule agrees with Gauss-Legendre quadrature within the documented error.
  ["integrated-gradients", "integrated", 2e-2],
  ["ablation", "ablation", 1e-3],
];

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (folder) => {
  const oracle = new Oracle<EffectsCase>(folder, "attribution");
  const cases = oracle.cases.filter(({ name }) => (name as string) !== "patching");
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
    await oracle.load();
  });
  afterAll(async () => {
    oracle.dispose();
    await model.dispose();
  });

  function targetOf({ target }: EffectsCase): AttributionTarget {
    if (!("feature" in target)) return target;
    const { coder, feature } = target.feature;
    return { ...target, feature: oracle.coder(coder).feature(feature) };
  }

  /** Effects in the order of the golden's entries [position, feature]. */
  function inOrder(found: Attributions, { entries }: EffectsCase): Attributions[number][] {
    const at = new Map(found.map((entry) => [`${entry.position} ${entry.feature}`, entry]));
    const { data } = oracle.golden(entries);
    expect(at.size).toBe(data.length / 2);
    return Array.from({ length: data.length / 2 }, (_, i) => {
      const entry = at.get(`${data[2 * i]} ${data[2 * i + 1]}`);
      if (entry === undefined) throw new Error(`no effect of ${data[2 * i]} ${data[2 * i + 1]}`);
      return entry;
    });
  }

  describe.each(cases.map((entry) => [entry.name, entry] as const))("%s", (_, entry) => {
    test.each(methods)("matches the golden effects by %s", async (method, key, tolerance) => {
      const coder = oracle.coder(entry.coder);
      const found = await attribute(model, oracle.prompt(entry.prompt), {
        target: targetOf(entry),
        through: [coder],
        method,
        batchSize: 7,
      });
      expect(Math.abs(found.value - entry.value)).toBeLessThan(1e-4 * Math.abs(entry.value) + 1e-5);
      const sizes = found.map(({ effect }) => Math.abs(effect));
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
      const ordered = inOrder(found, entry);
      expect(ordered.every((effect) => effect.coder === coder)).toBe(true);
      const activations = ordered.map(({ activation }) => activation);
      expect(relativeError(activations, oracle.golden(entry.acts).data)).toBeLessThan(1e-5);
      const effects = ordered.map(({ effect }) => effect);
      expect(relativeError(effects, oracle.golden(entry[key]).data)).toBeLessThan(tolerance);
      if (method !== "integrated-gradients") {
        expect(found.completeness).toEqual([]);
        return;
      }
      const [reached] = found.completeness;
      expect(reached?.coder).toBe(coder);
      expect(reached?.change).toBeCloseTo(entry.change, 4);
      const sum = effects.reduce((total, effect) => total + effect, 0);
      const gap = Math.abs(sum - entry.change) / Math.abs(entry.change);
      expect(reached?.gap).toBeCloseTo(gap, 3);
      expect(gap).toBeLessThan(0.01);
    });
  });

  test("gives the same through several coders at once as through each alone", async () => {
    const [first, second] = [oracle.coder("skip"), oracle.coder("res")];
    const [entry] = cases as [EffectsCase];
    const prompt = oracle.prompt(entry.prompt);
    for (const [method] of methods) {
      const target = targetOf(entry);
      const together = await attribute(model, prompt, { target, through: [first, second], method });
      for (const coder of [first, second]) {
        const alone = await attribute(model, prompt, { target, through: [coder], method });
        const mine = together.filter((found) => found.coder === coder);
        expect(mine.map(({ feature, position }) => [feature, position])).toEqual(
          alone.map(({ feature, position }) => [feature, position]),
        );
        const error = relativeError(
          mine.map(({ effect }) => effect),
          alone.map(({ effect }) => effect),
        );
        expect(error).toBeLessThan(1e-4);
      }
    }
  });

  test("a metric gives the same effects as the equivalent logit difference", async () => {
    const [entry] = cases as [EffectsCase];
    if (!("logitDiff" in entry.target)) throw new Error("another case first");
    const [more, less] = entry.target.logitDiff;
    const metric: Metric = (logits) => {
      const last = logits.select(1, -1).select(0, 0);
      return last.select(0, more).sub(last.select(0, less));
    };
    const through = [oracle.coder("res")];
    const prompt = oracle.prompt(entry.prompt);
    for (const [method] of methods) {
      const want = await attribute(model, prompt, {
        target: entry.target,
        through,
        method,
        topK: 20,
      });
      for (const positions of [undefined, [-1]]) {
        const target = { metric, positions };
        const got = await attribute(model, prompt, { target, through, method, topK: 20 });
        expect(got.value).toBeCloseTo(want.value, 4);
        const effects = (found: Attributions) => found.map(({ effect }) => effect);
        expect(relativeError(effects(got), effects(want)), method).toBeLessThan(1e-3);
      }
    }
  });

  test("the ablation method equals the difference from ablating, also with a coder in force", async () => {
    const [skip, res] = [oracle.coder("skip"), oracle.coder("res")];
    const prompt = oracle.prompt("p10");
    for (const coders of [
      [],
      [{ coder: skip, errorTerm: false }],
      [{ coder: res, errorTerm: false }, skip],
      [{ coder: skip, errorTerm: false, excludeSpecialTokens: true }],
    ]) {
      const found = await attribute(model, prompt, {
        target: { logit: 9, position: 8 },
        through: [res],
        method: "ablation",
        coders,
        topK: 5,
      });
      expect(found.length).toBe(5);
      const logit = async (interventions: ReturnType<typeof ablate>[]) => {
        const options = { coders, interventions, positions: [8] };
        using logits = await model.forward(prompt, options);
        return tidy(() => logits.select(2, 9).item() as number);
      };
      const clean = await logit([]);
      expect(found.value).toBeCloseTo(clean, 5);
      for (const { feature, position, effect } of found) {
        const without = await logit([ablate(res.feature(feature), { positions: position })]);
        expect(effect).toBeCloseTo(clean - without, 4);
      }
    }
  });

  test("leaves no tensor alive, also after an abort", async () => {
    const through = [oracle.coder("res")];
    const options = { target: { logit: 9 }, through } as const;
    await attribute(model, [2, 5, 9], { ...options, method: "ablation" });
    const before = await settledMemory();
    for (const [method] of methods) {
      await attribute(model, [2, 5, 9, 40], { ...options, method });
      const stop = new AbortController();
      const reason = new Error("enough");
      const stopped = attribute(model, [2, 5, 9, 40], {
        ...options,
        method,
        batchSize: 1,
        signal: stop.signal,
        onProgress: () => stop.abort(reason),
      });
      if (method === "gradient") await stopped;
      else expect(await failure(() => stopped)).toBe(reason);
    }
    expect(memory().tensors).toBe(before.tensors);
    expect(memory().handles).toBe(before.handles);
  });

  test("reports its progress", async () => {
    const seen: { done: number; total: number }[] = [];
    const found = await attribute(model, [2, 5, 9], {
      target: { logit: 9 },
      through: [oracle.coder("res")],
      method: "ablation",
      batchSize: 10,
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.at(-1)).toEqual({ done: found.length, total: found.length });
    expect(seen.length).toBe(Math.ceil(found.length / 10));
  });

  test("refuses unsupported arguments", async () => {
    const through = [oracle.coder("res")];
    const target = { logit: 9 };
    const wrong: [unknown, unknown, string][] = [
      [
        [
          [2, 5],
          [2, 7],
        ],
        { target, through },
        "ARGUMENT",
      ],
      [[2, 5], { target }, "ARGUMENT"],
      [[2, 5], { through }, "ARGUMENT"],
      [[2, 5], { target, through: [] }, "ARGUMENT"],
      [[2, 5], { target, through: [7] }, "ARGUMENT"],
      [[2, 5], { target, through, method: "gradients" }, "ARGUMENT"],
      [[2, 5], { target, through, topK: 0 }, "ARGUMENT"],
      [[2, 5], { target, through, batchSize: 1.5 }, "ARGUMENT"],
      [[2, 5], { target, through, top: 3 }, "ARGUMENT"],
      [[2, 5], { target: { loss: true }, through }, "ARGUMENT"],
      [[2, 5], { target: { logit: 9, batch: 0 }, through }, "ARGUMENT"],
      [[2, 5], { target: { logit: 9, position: 2 }, through }, "ARGUMENT"],
      [[2, 5], { target: { logit: 999 }, through }, "ARGUMENT"],
      [[2, 5], { target: { metric: () => 3 }, through }, "ARGUMENT"],
    ];
    for (const [input, options, code] of wrong) {
      const run = () => attribute(model, input as never, options as never);
      expect(await failure(run), JSON.stringify(options)).toMatchObject({ code });
    }
  });
});
