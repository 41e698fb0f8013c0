import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type GradientTarget,
  HookedTransformer,
  hook,
  type Tensor,
  type Tokens,
  tensor,
  tidy,
} from "../../lib/index.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Random } from "../support/random.js";

// Compares every operation's backward with central differences, all in float64. Each hook point is
// perturbed along a random direction. The prompt is longer than the window of 8.
const epsilon = 1e-5;
const long = [2, 17, 99, 5, 63, 41, 120, 8, 77, 33, 54, 12];
const inputs: [name: string, side: "left" | "right", rows: number[][]][] = [
  ["one prompt", "right", [long]],
  ["padded on the right", "right", [long, long.slice(3, 9)]],
  ["padded on the left", "left", [long.slice(2, 7), long]],
];

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (folder) => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device, dtype: "float64" });
  });
  afterAll(() => model.dispose());

  /** A fixed random number for each element, on the model's device. */
  const random = (shape: readonly number[], seed: number) =>
    tensor(new Random(seed).normals(shape.reduce((product, n) => product * n, 1)), {
      shape,
      device,
    });

  /**
   * Σ weight · logit over the real tokens. Random weights keep symmetry from cancelling a gradient.
   */
  function weighted(tokens: Tokens): { weights: Tensor; target: GradientTarget } {
    const [batch, pos] = tokens.shape;
    const { dVocab } = model.cfg;
    const weights = tidy(() => {
      const real = tensor(Float64Array.from(tokens.mask), { shape: [batch, pos, 1], device });
      return random([batch, pos, dVocab], 1).mul(real);
    });
    return { weights, target: { metric: (logits) => logits.mul(weights).sum() } };
  }

  describe.each(inputs)("%s", (_, paddingSide, rows) => {
    test("matches central differences at every hook", async () => {
      const tokens = model.toTokens(rows, { paddingSide });
      const { weights, target } = weighted(tokens);
      const measure = async (name: string, change: Tensor) => {
        using logits = await model.forward(tokens, { hooks: [hook(name, (x) => x.add(change))] });
        return tidy(() => logits.mul(weights).sum().item() as number);
      };
      using run = await model.runWithGradients(tokens, { names: () => true, target });
      const wrong: string[] = [];
      const names = run.cache.names;
      for (const [i, name] of names.entries()) {
        const gradient: Tensor = run.grad(name);
        using direction = random(gradient.shape, 2 + i);
        using step = direction.mul(epsilon);
        using back = step.neg();
        const slope = tidy(() => gradient.mul(direction).sum().item() as number);
        const measured =
          ((await measure(name, step)) - (await measure(name, back))) / (2 * epsilon);
        // Along a direction of deviation 1 the slope is about as large as the gradient.
        const size = tidy(() => gradient.norm().item() as number);
        expect(size, name).toBeGreaterThan(1e-3);
        const error = Math.abs(slope - measured) / size;
        if (!(error < 1e-6)) wrong.push(`${name}: ${slope} instead of ${measured}`);
      }
      weights.dispose();
      expect(wrong).toEqual([]);
    });

    test.each(["logit", "logitDiff", "loss"] as const)(
      "matches central differences for a %s",
      async (kind) => {
        const tokens = model.toTokens(rows, { paddingSide });
        const targets: Record<typeof kind, GradientTarget> = {
          logit: { logit: 9, position: -2 },
          logitDiff: { logitDiff: [9, 30] },
          loss: { loss: true },
        };
        const name = "blocks.1.hook_resid_post";
        const hooks = (change: Tensor) => [hook(name, (x) => x.add(change))];
        const measure = async (change: Tensor) => {
          if (kind === "loss") return model.loss(tokens, { hooks: hooks(change) });
          const positions = [kind === "logit" ? -2 : -1];
          using logits = await model.forward(tokens, { hooks: hooks(change), positions });
          return tidy(() => {
            const of = (token: number) => logits.select(2, token).sum().item() as number;
            return of(9) - (kind === "logit" ? 0 : of(30));
          });
        };
        using run = await model.runWithGradients(tokens, { names: [name], target: targets[kind] });
        const gradient = run.grad(name);
        using direction = random(gradient.shape, 2);
        using step = direction.mul(epsilon);
        using back = step.neg();
        using nothing = step.mul(0);
        const slope = tidy(() => gradient.mul(direction).sum().item() as number);
        const measured = ((await measure(step)) - (await measure(back))) / (2 * epsilon);
        expect(Math.abs(slope - measured) / Math.abs(measured)).toBeLessThan(1e-6);
        expect(run.value).toBeCloseTo(await measure(nothing), 6);
      },
    );

    test("is zero at padding", async () => {
      const tokens = model.toTokens(rows, { paddingSide });
      const { weights, target } = weighted(tokens);
      const names = ["hook_embed", "blocks.0.attn.hook_k", "blocks.1.mlp.hook_post"] as const;
      using run = await model.runWithGradients(tokens, { names, target });
      for (const name of names) {
        const gradient: Tensor = run.grad(name);
        const cells = tokens.mask.length;
        const values = await gradient.read("float64");
        const width = values.length / cells;
        for (const [cell, real] of tokens.mask.entries()) {
          const row = values.subarray(cell * width, (cell + 1) * width);
          expect(
            row.some((value) => value !== 0),
            `${name} ${cell}`,
          ).toBe(real === 1);
        }
      }
      weights.dispose();
    });
  });
});
