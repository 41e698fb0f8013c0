import { expect } from "vitest";
import { type FeatureActs, type Tensor, tensor } from "../../lib/index.js";
import { device, relativeError } from "./compare.js";
import type { Golden } from "./safetensors.js";

/** A golden activation as a tensor. */
export function upload(golden: Golden): Tensor {
  return tensor(golden.data as Float32Array, { device: device as "cpu" }).reshape(golden.shape);
}

/** Active sets must be equal, values within tolerance. */
export async function expectFeatures(acts: FeatureActs, want: Golden): Promise<void> {
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
  expect(relativeError(got, expected)).toBeLessThan(1e-5);
}

export async function expectValues(what: string, got: Tensor, want: Golden): Promise<void> {
  const error = relativeError(await got.read("float32"), want.data);
  expect(error, what).toBeLessThan(1e-5);
}
