import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type FeatureActs,
  type GradientTarget,
  HookedTransformer,
  type Tensor,
} from "../../lib/index.js";
import { type Case, Cases } from "../support/cases.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import type { Golden } from "../support/safetensors.js";

// Compares gradients with autograd on transformers' model, in float64.
type Named = { readonly coder: string; readonly feature: number };

interface GradientCase extends Omit<Case, "features"> {
  readonly target:
    | Exclude<GradientTarget, { feature: unknown } | { metric: unknown }>
    | {
        readonly feature: Named;
        readonly position?: number;
      };
  readonly value: number;
  readonly grads: Readonly<Record<string, string | string[]>>;
  readonly features: Readonly<Record<string, { readonly acts: string; readonly grad: string }>>;
}

/** The gradient at the active features of a dense golden. */
async function expectAtFeatures(what: string, acts: FeatureActs, want: Golden, at: Golden) {
  const { indptr, indices, values, shape } = await acts.read();
  const dSae = shape.at(-1) as number;
  const found: number[] = [];
  for (let row = 0; row + 1 < indptr.length; row++) {
    for (const feature of indices.subarray(indptr[row], indptr[row + 1])) {
      found.push(row * dSae + feature);
    }
  }
  const active = [...at.data.entries()].filter(([, value]) => value > 0).map(([i]) => i);
  expect(found, what).toEqual(active);
  const expected = active.map((i) => want.data[i] as number);
  expect(relativeError(values, expected), what).toBeLessThan(1e-4);
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (name) => {
  const cases = new Cases(name, "gradients");
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
    await cases.load(model);
  });
  afterAll(async () => {
    cases.dispose();
    await model.dispose();
  });

  function targetOf({ target }: GradientCase): GradientTarget {
    if (!("feature" in target)) return target;
    const { coder, feature } = target.feature;
    return { ...target, feature: cases.coder(coder).feature(feature) };
  }

  const all = cases.file.cases as unknown as GradientCase[];
  test.each(all.map((entry) => [entry.name, entry] as const))("%s", async (_, entry) => {
    const plain = entry as unknown as Case;
    const rows = cases.prompt(plain);
    for (const paddingSide of rows.length === 1
      ? (["right"] as const)
      : (["right", "left"] as const)) {
      using run = await model.runWithGradients(rows, {
        target: targetOf(entry),
        names: Object.keys(entry.grads),
        coders: cases.splices(plain),
        interventions: cases.interventions(plain),
        paddingSide,
      });
      expect(Math.abs(run.value - entry.value)).toBeLessThan(
        1e-4 * Math.max(1, Math.abs(entry.value)),
      );
      for (const [hook, keys] of Object.entries(entry.grads)) {
        const gradient: Tensor = run.grad(hook);
        for (const [row, golden] of cases.rows(keys).entries()) {
          const length = (rows[row] as number[]).length;
          const from = paddingSide === "left" ? (gradient.shape[1] as number) - length : 0;
          using one = gradient.slice(0, row, row + 1);
          using mine = rows.length === 1 ? one.clone() : one.slice(1, from, from + length);
          const error = relativeError(await mine.read("float32"), golden.data);
          expect(error, `${hook}, row ${row}, ${paddingSide}`).toBeLessThan(1e-4);
        }
      }
      for (const [key, { acts, grad }] of Object.entries(entry.features)) {
        const at = cases.golden(acts);
        await expectAtFeatures(key, run.grad(cases.coder(key)), cases.golden(grad), at);
        await expectAtFeatures(key, run.features(cases.coder(key)), at, at);
      }
    }
  });
});
