import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { writeRandomCheckpoint } from "../native/fixtures/random-checkpoint.js";
import { runChild } from "../native/fixtures/run-child.js";
import { quarantine } from "../support/sanitizer-env.js";

const MB = 1 << 20;

/** A script of tests/native/fixtures that prints JSON. */
async function measure(script: string, args: readonly string[] = []) {
  const end = await runChild(script, args, { nodeArgs: ["--expose-gc"] });
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null, stderr: "" });
  return JSON.parse(end.stdout) as Record<string, number>;
}

describe("over and over, handles and bytes end as they were", () => {
  // Garbage of V8 that is not yet collected counts in the resident set: room for that where results
  // are left to it.
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

  test("20 workers that are terminated in the middle of their work", async () => {
    const { growth, ...rest } = await measure("many-workers.ts");
    expect(rest).toEqual({ handles: 0, cpuBytes: 0, allocatedBytes: 0, threads: 0 });
    expect(growth).toBeLessThan(64 * MB + quarantine);
  });
});

test("10,000 tensors of 4 MB dropped in one synchronous loop stay under 2 GB", async () => {
  const { peak } = await measure("drop.ts");
  // Of 42 GB. How much lies uncollected at once is up to V8, whose collecting threads may get no core.
  expect(peak).toBeLessThan(2e9);
  // It did hold some: the number is not that of an idle process.
  expect(peak).toBeGreaterThan(64 * MB);
});

test("150 generations dropped after one token do not pile up their key-value caches", async () => {
  const sizes = { layers: 4, dModel: 64, dMlp: 64, heads: 8, kvHeads: 8, dHead: 256, vocab: 64 };
  const { folder } = writeRandomCheckpoint(sizes);
  try {
    const { dropped = 0, each = 0, growth } = await measure("drop-caches.ts", [folder]);
    expect(growth).toBeLessThan(1e9);
    // All of them together would be more than that. With libtorch's own allocator the parts of a
    // cache that nobody has written to are not resident.
    if (process.env["GEMLENS_ALLOCATOR"] !== "system") {
      expect(dropped * each).toBeGreaterThan(2e9);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
