import { expect } from "vitest";
import type { Tensor } from "../../lib/index.js";
import type { Golden } from "./safetensors.js";

export { device } from "./device.js";

type Numbers = ArrayLike<number>;

/** max|got − want| / max|want| over finite values; infinite ones must agree exactly. */
export function relativeError(got: Numbers, want: Numbers): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < want.length; i++) {
    const a = got[i] as number;
    const b = want[i] as number;
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (!Object.is(a, b)) return Number.POSITIVE_INFINITY;
      continue;
    }
    worst = Math.max(worst, Math.abs(a - b));
    scale = Math.max(scale, Math.abs(b));
  }
  return scale === 0 ? worst : worst / scale;
}

/** Compares a tensor's shape and values with the golden one. */
export async function expectClose(
  name: string,
  got: Tensor,
  want: Golden,
  tolerance: number,
): Promise<void> {
  expect([...got.shape], `${name}: shape`).toEqual(want.shape);
  const values = (await got.read()) as Numbers;
  expect(relativeError(values, want.data as Numbers), `${name}: relative error`).toBeLessThan(
    tolerance,
  );
}

/** Runs `fn` and returns the error it must fail with. */
export async function failure(fn: () => unknown): Promise<Error & { code?: string }> {
  try {
    await fn();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error, got none");
}
