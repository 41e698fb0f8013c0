import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  clamp,
  HookedTransformer,
  type Metric,
  memory,
  SAE,
  type Tensor,
  tidy,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { fixture, goldensOf, rowsOf } from "../support/fixtures.js";

// Tests the inputs, results and errors of runWithGradients. derivatives.test.ts (finite
// differences) and oracle.test.ts (autograd) test the values.
let model: HookedTransformer;
let sae: SAE;
const prompt = [2, 17, 99, 5, 63, 41, 120, 8, 77, 33];
const hookName = "blocks.2.hook_resid_post";
const target = { logitDiff: [9, 30] } as const;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { device, hookName });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

const largest = (t: Tensor) => tidy(() => t.abs().max().item() as number);
const apart = (a: Tensor, b: Tensor) => tidy(() => a.sub(b).abs().max().item() as number);

describe("runWithGradients with a metric", () => {
  const byHand: Metric = (logits) => {
    const last = logits.select(1, -1).select(0, 0);
    return last.select(0, 9).sub(last.select(0, 30));
  };

  test("gives the same as the named target", async () => {
    using named = await model.runWithGradients(prompt, { names: [hookName], target });
    using own = await model.runWithGradients(prompt, {
      names: [hookName],
      target: { metric: byHand },
    });
    expect(own.value).toBeCloseTo(named.value, 5);
    const gradient = named.grad(hookName);
    expect(apart(gradient, own.grad(hookName))).toBeLessThan(1e-6 * largest(gradient));
  });

  test("passes only the requested positions", async () => {
    let shape: readonly number[] = [];
    using part = await model.runWithGradients([prompt, prompt.slice(0, 4)], {
      names: [hookName],
      positions: [-1, 0],
      target: {
        metric: (logits) => {
          shape = logits.shape;
          return logits.select(1, 0).select(1, 9).sum();
        },
      },
    });
    expect(shape).toEqual([2, 2, model.cfg.dVocab]);
    using named = await model.runWithGradients([prompt, prompt.slice(0, 4)], {
      names: [hookName],
      target: { logit: 9 },
    });
    expect(part.value).toBeCloseTo(named.value, 5);
    expect(apart(named.grad(hookName), part.grad(hookName))).toBeLessThan(1e-5);
  });

  test("accepts softmax, products and norms", async () => {
    using run = await model.runWithGradients(prompt, {
      names: ["hook_embed"],
      target: {
        metric: (logits) => {
          const p = logits.select(1, -1).softmax();
          return p.mul(p.log()).sum().neg().add(logits.norm().mul(0));
        },
      },
    });
    using logits = await model.forward(prompt, { positions: [-1] });
    const p = [...logits.softmax().readSync("float64")];
    expect(run.value).toBeCloseTo(-p.reduce((sum, x) => sum + x * Math.log(x), 0), 5);
    expect(largest(run.grad("hook_embed"))).toBeGreaterThan(0);
  });

  test.each<[string, Metric, string, RegExp]>([
    ["a promise", (async (l: Tensor) => l.sum()) as unknown as Metric, "ARGUMENT", /got a promise/],
    ["a number", (() => 3) as unknown as Metric, "ARGUMENT", /the tensor itself/],
    ["nothing", (() => null) as unknown as Metric, "ARGUMENT", /got null/],
    ["many numbers", (l) => l, "ARGUMENT", /one element.*got one of \[1, 10, 128\]/],
    [
      "a disposed tensor",
      (l) => {
        using sum = l.sum();
        return sum;
      },
      "ARGUMENT",
      /disposed/,
    ],
    ["a value independent of the logits", (l) => l.sum().gt(0).to("float32"), "ARGUMENT", /depend/],
  ])("refuses a metric that returns %s", async (_, metric, code, message) => {
    const error = await failure(() => model.runWithGradients(prompt, { target: { metric } }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("wraps an error that the metric throws in a HOOK error with its cause", async () => {
    const cause = new RangeError("no such thing");
    const metric: Metric = () => {
      throw cause;
    };
    const error = await failure(() => model.runWithGradients(prompt, { target: { metric } }));
    expect(error).toMatchObject({ code: "HOOK", cause });
    expect(error.message).toContain("the metric threw: no such thing");
  });

  test("leaves no tensor alive after success, failure or an abort", async () => {
    const before = await settledMemory();
    const metrics: Metric[] = [
      byHand,
      (logits) => {
        logits.softmax();
        throw new Error("midway");
      },
      (logits) => logits.softmax(),
    ];
    for (const metric of metrics) {
      const run = await model
        .runWithGradients(prompt, { names: [hookName], target: { metric } })
        .catch(() => undefined);
      run?.dispose();
    }
    expect(memory().tensors).toBe(before.tensors);
    expect(memory().handles).toBe(before.handles);
  });

  test("does not record operations outside the run", async () => {
    using x = (await model.forward(prompt)).keep();
    await model.runWithGradients(prompt, { target: { metric: byHand } }).then((g) => g.dispose());
    using doubled = x.mul(2);
    // A recorded tensor would refuse in-place changes.
    x.add_(1);
    expect(doubled.isDisposed).toBe(false);
  });
});

describe("runWithGradients with a spliced coder", () => {
  test("has one gradient for each active feature", async () => {
    using run = await model.runWithGradients(prompt, { coders: [sae], target });
    const features = await run.features(sae).read();
    const gradients = await run.grad(sae).read();
    expect(gradients.indptr).toEqual(features.indptr);
    expect(gradients.indices).toEqual(features.indices);
    expect(features.values.length).toBeGreaterThan(0);
  });

  test("shows the edited features when interventions change them", async () => {
    using plain = await model.runWithGradients(prompt, { coders: [sae], target });
    const [strong] = await plain.features(sae).topK(1);
    if (strong === undefined) throw new Error("nothing fires");
    using changed = await model.runWithGradients(prompt, {
      coders: [sae],
      interventions: [clamp(sae.feature(strong.feature), 7, { positions: strong.position })],
      features: [sae],
      target,
    });
    const there = await changed.features(sae).at({ position: strong.position });
    expect(there.find(({ feature }) => feature === strong.feature)?.value).toBe(7);
  });

  test("refuses a name that belongs to another coder", async () => {
    using run = await model.runWithGradients(prompt, { names: [hookName], target });
    expect(() => run.grad(sae)).toThrow(/in `coders`/);
    expect(() => run.features(sae)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(() => run.grad("blocks.1.hook_resid_post" as never)).toThrow(
      expect.objectContaining({ code: "NOT_FOUND" }),
    );
  });
});

describe("runWithGradients", () => {
  test("sums over a batch's rows; batch selects rows", async () => {
    const rows = rowsOf(goldensOf("tiny-gemma2", "expected_padded"));
    using all = await model.runWithGradients(rows, { names: ["hook_embed"], target: { logit: 9 } });
    let sum = 0;
    for (const [i, row] of rows.entries()) {
      using one = await model.runWithGradients(row, {
        names: ["hook_embed"],
        target: { logit: 9 },
      });
      sum += one.value;
      using picked = await model.runWithGradients(rows, {
        names: ["hook_embed"],
        target: { logit: 9, batch: i },
      });
      expect(picked.value).toBeCloseTo(one.value, 4);
      const gradient: Tensor = one.grad("hook_embed");
      for (const run of [all, picked]) {
        using there = run
          .grad("hook_embed")
          .slice(0, i, i + 1)
          .slice(1, 0, row.length);
        expect(apart(there, gradient)).toBeLessThan(1e-4 * largest(gradient));
      }
      using others = picked.grad("hook_embed").sum({ dim: [1, 2] });
      const touched = [...(await others.abs().read())].map((x) => Number(x) > 0);
      expect(touched).toEqual(rows.map((_, row) => row === i));
    }
    expect(all.value).toBeCloseTo(sum, 4);
  });

  test("stops after a feature target", async () => {
    const seen: string[] = [];
    const look = (name: string) => [name, () => void seen.push(name)] as const;
    using run = await model.runWithGradients(prompt, {
      names: ["hook_embed"],
      target: { feature: sae.feature(3), position: 4 },
      hooks: [look(hookName)],
    });
    expect(seen).toEqual([hookName]);
    // The run ends at the feature.
    expect(run.cache.names).toEqual(["hook_embed"]);
    const last = await failure(() =>
      model.runWithGradients(prompt, { target: { feature: sae.feature(96) } }),
    );
    expect(last.code).toBe("ARGUMENT");
  });

  test("starts from a residual stream", async () => {
    using first = await model.runWithCache(prompt, { names: [hookName], logits: false });
    const resid = first.cache.get(hookName);
    const names = ["blocks.3.hook_resid_pre"] as const;
    using part = await model.runWithGradients(resid, { startAtLayer: 3, names, target });
    using whole = await model.runWithGradients(prompt, { names, target });
    expect(part.value).toBeCloseTo(whole.value, 5);
    expect(apart(part.grad(names[0]), whole.grad(names[0]))).toBeLessThan(1e-5);
  });

  test("calls JavaScript hooks and treats their replacements as constants", async () => {
    const names = ["blocks.1.hook_resid_post", "blocks.2.hook_resid_post"] as const;
    using run = await model.runWithGradients(prompt, {
      names,
      target,
      hooks: [[names[1], (act) => act.mul(1)]],
    });
    expect(largest(run.grad(names[0]))).toBe(0);
    expect(largest(run.grad(names[1]))).toBeGreaterThan(0);
  });

  test("stops at its signal", async () => {
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    expect(await failure(() => model.runWithGradients(prompt, { target, signal: aborted }))).toBe(
      reason,
    );
  });

  test("prints a summary of its result", async () => {
    using run = await model.runWithGradients(prompt, { coders: [sae], names: [hookName], target });
    const { inspect } = await import("node:util");
    expect(inspect(run)).toMatch(/Gradients\n {2}value: .*\n {2}gradients: /);
  });
});

describe("arguments of runWithGradients", () => {
  const cases: [string, Record<string, unknown> | undefined, string, RegExp][] = [
    ["no options", undefined, "ARGUMENT", /options with a target/],
    ["no target", {}, "ARGUMENT", /one of \{logit\}/],
    ["two targets", { target: { logit: 3, loss: true } }, "ARGUMENT", /got \{logit, loss\}/],
    ["an extra key", { target: { logit: 3, pos: 1 } }, "ARGUMENT", /got pos/],
    ["a token out of range", { target: { logit: 128 } }, "ARGUMENT", /\[0, 128\)/],
    ["a difference of one token", { target: { logitDiff: [3] } }, "ARGUMENT", /two tokens/],
    ["a position out of range", { target: { logit: 3, position: 10 } }, "ARGUMENT", /\[-10, 10\)/],
    ["a row out of range", { target: { logit: 3, batch: 1 } }, "ARGUMENT", /\[0, 1\)/],
    ["loss: false", { target: { loss: false } }, "ARGUMENT", /expected true/],
    ["an invalid feature", { target: { feature: 7 } }, "ARGUMENT", /target\.feature/],
    ["a metric that is no function", { target: { metric: 7 } }, "ARGUMENT", /a function/],
    ["positions without a metric", { target: { logit: 3 }, positions: [1] }, "ARGUMENT", /metric/],
    ["a misspelt hook", { target: { logit: 3 }, names: ["hook_embde"] }, "NOT_FOUND", /hook_embed/],
    ["a misspelt option", { target: { logit: 3 }, name: [] }, "ARGUMENT", /got name/],
    [
      "a hook without a gradient",
      { target: { logit: 3 }, names: ["blocks.0.hook_attn_in"] },
      "UNSUPPORTED",
      /hook_q_input/,
    ],
  ];
  test.each(cases)("%s", async (_, options, code, message) => {
    const run = () => model.runWithGradients(prompt, options as never);
    expect(await failure(run)).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("refuse a loss of a residual stream, or of one token", async () => {
    using resid = await model.forward(prompt, { stopAtLayer: 2 });
    const options = { target: { loss: true } } as const;
    expect(
      await failure(() => model.runWithGradients(resid, { ...options, startAtLayer: 2 })),
    ).toMatchObject({ code: "ARGUMENT" });
    expect(await failure(() => model.runWithGradients([2], options))).toMatchObject({
      code: "ARGUMENT",
    });
  });
});
