import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HookedTransformer, type RunWithLogits } from "../../lib/index.js";
import { device } from "../support/compare.js";
import { fixture, goldensOf, ids } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

type Drift = Record<string, { max: number; rms: number }>;

async function read(run: RunWithLogits, name: string): Promise<Float32Array> {
  return (name === "logits" ? run.logits : run.cache.get(name)).read("float32");
}

function drift(got: Float32Array, exact: Float32Array): { max: number; rms: number } {
  let [worst, scale, squares, power] = [0, 0, 0, 0];
  for (const [i, value] of exact.entries()) {
    const error = Math.abs((got[i] as number) - value);
    worst = Math.max(worst, error);
    scale = Math.max(scale, Math.abs(value));
    squares += error * error;
    power += value * value;
  }
  return { max: worst / scale, rms: Math.sqrt(squares / power) };
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s in bfloat16", (name) => {
  test("deviates from float32 at most 1.2 times as far as transformers does", async () => {
    const expected = JSON.parse(readFileSync(fixture(`${name}/expected_bf16_drift.json`), "utf8"));
    const golden = goldensOf(name, "expected_bf16");
    const [batch, pos] = need(golden, "batch.tokens").shape as [number, number];
    const tokens = ids(golden, "batch.tokens");
    const rows = Array.from({ length: batch }, (_, i) => [
      ...tokens.subarray(i * pos, (i + 1) * pos),
    ]);
    await using exact = await HookedTransformer.fromPretrained(fixture(name), { device });
    await using rounded = await HookedTransformer.fromPretrained(fixture(name), {
      device,
      dtype: "bfloat16",
    });
    expect(rounded.cfg.dtype).toBe("bfloat16");
    const names = (hook: string) => hook.endsWith("hook_resid_post");
    using want = await exact.runWithCache(rows, { names });
    using got = await rounded.runWithCache(rows, { names });
    expect(got.logits.dtype).toBe("bfloat16");
    for (const [hook, theirs] of Object.entries(expected.batch as Drift)) {
      const ours = drift(await read(got, hook), await read(want, hook));
      expect(ours.rms, `${hook}: rms`).toBeLessThan(1.2 * theirs.rms);
      // One outlier of 18,432 determines the largest error of a residual stream.ror.
      const times = device === "cpu" ? 1.2 : 1.4;
      if (hook === "logits") expect(ours.max, "logits: max").toBeLessThan(times * theirs.max);
      // A far smaller error would mean float32 where transformers computes in bfloat16.
      expect(ours.rms, `${hook}: rms`).toBeGreaterThan(0.1 * theirs.rms);
    }
  });
});
