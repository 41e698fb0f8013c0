import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { writeRandomCheckpoint } from "../native/fixtures/random-checkpoint.js";
import { runChild } from "../native/fixtures/run-child.js";
import { quarantine } from "../support/sanitizer-env.js";

const MB = 1 << 20;

/** Runs a script of tests/native/fixtures that prints JSON. */
async function measure(script: string, args: readonly string[] = []) {
  const end = await runChild(script, args, { nodeArgs: ["--expose-gc"] });
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null, stderr: "" });
  return JSON.parse(end.stdout) as Record<string, number>;
}

describe("repeated work ends with as many handles and bytes as before", () => {
  // Uncollected garbage of V8 counts in the resident set, so cases that rely on it get more room.
  test.each([
    ["load", 200, 24],
    ["load coders", 200, 24],
    ["forward", 2000, 24],
    ["forward with hooks", 500, 24],
    ["failing forward", 500, 24],
    ["runWithCache", 300, 24],
    ["encode", 2000, 24],
    ["edit", 500, 24],
    ["generate with break", 300, 24],
    ["generations dropped", 300, 64],
    ["results dropped", 800, 96],
  ])("%s × %i", async (what, times, mostGrowth) => {
    const { growth, ...rest } = await measure("leak.ts", [what]);
    expect(rest).toEqual({ times, handles: 0, tensors: 0, cpuBytes: 0, allocatedBytes: 0 });
    expect(growth).toBeLessThan(mostGrowth * MB + quarantine);
  });

  test("20 workers that are terminated during their work", async () => {
    const { growth, ...rest } = await measure("many-workers.ts");
    expect(rest).toEqual({ handles: 0, cpuBytes: 0, allocatedBytes: 0, threads: 0 });
    expect(growth).toBeLessThan(64 * MB + quarantine);
  });
});

test("10,000 tensors of 4 MB dropped in one synchronous loop stay under 2 GB", async () => {
  const { peak } = await measure("drop.ts");
  // The tensors have 42 GB in all. V8 decides how much stays uncollected, and its collecting
  // threads may get no core.
  expect(peak).toBeLessThan(2e9);
  // The lower limit shows that the process held some tensors.
  expect(peak).toBeGreaterThan(64 * MB);
});

test("150 generations dropped after one token do not accumulate their key-value caches", async () => {
  const sizes = { layers: 4, dModel: 64, dMlp: 64, heads: 8, kvHeads: 8, dHead: 256, vocab: 64 };
  const { folder } = writeRandomCheckpoint(sizes);
  try {
    const { dropped = 0, each = 0, growth } = await measure("drop-caches.ts", [folder]);
    expect(growth).toBeLessThan(1e9);
    // All caches together would exceed the limit. With libtorch's own allocator, parts of a cache
    // that were never written are not resident.
    if (process.env["GEMLENS_ALLOCATOR"] !== "system") {
      expect(dropped * each).toBeGreaterThan(2e9);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
