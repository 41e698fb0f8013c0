import { rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import {
  type RandomCheckpoint,
  type RandomSizes,
  writeRandomCheckpoint,
} from "../native/fixtures/random-checkpoint.js";
import { runChild } from "../native/fixtures/run-child.js";
import { quarantine } from "../support/sanitizer-env.js";

const MB = 1 << 20;
const sizes: RandomSizes = {
  dModel: 1024,
  dMlp: 4096,
  heads: 8,
  kvHeads: 4,
  dHead: 128,
  vocab: 24_000,
};
const written: string[] = [];
afterAll(() => {
  for (const folder of written) rmSync(folder, { recursive: true, force: true });
});

function checkpoint(more: RandomSizes): RandomCheckpoint {
  const out = writeRandomCheckpoint({ ...sizes, ...more });
  written.push(out.folder);
  expect(out.bytes).toBeGreaterThan(200e6);
  return out;
}

/** Growth of anonymous memory: during the load, after it, after a forward, and after dispose. */
async function load(folder: string, dtype: string) {
  const end = await runChild("load-memory.ts", [folder, dtype], { nodeArgs: ["--expose-gc"] });
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null, stderr: "" });
  return JSON.parse(end.stdout) as Record<"peak" | "loaded" | "ran" | "disposed", number>;
}

describe("anonymous memory of a model of more than 200 MB", () => {
  test.each([
    ["bfloat16", { layers: 5, dtype: "BF16" }],
    ["float32", { layers: 2, dtype: "F32" }],
  ] as const)("in its own dtype, %s, is at most a tenth of the file", async (_, more) => {
    const { folder, bytes } = checkpoint(more);
    const { peak, ran } = await load(folder, "auto");
    expect(peak).toBeLessThanOrEqual(bytes / 10 + quarantine);
    expect(ran).toBeLessThanOrEqual(bytes / 10 + quarantine);
  });

  test.each([
    ["bfloat16", "float32", 4, { layers: 5, dtype: "BF16" }],
    ["float32", "bfloat16", 2, { layers: 2, dtype: "F32" }],
  ] as const)(
    "from %s to %s is at most the target's and one tensor's",
    async (_, dtype, width, more) => {
      const { folder, elements, largest } = checkpoint(more);
      const { peak, loaded, disposed } = await load(folder, dtype);
      const target = elements * width;
      expect(loaded).toBeGreaterThan(target * 0.9);
      expect(peak).toBeLessThanOrEqual(target + largest * width + 16 * MB + quarantine);
      expect(disposed).toBeLessThan(16 * MB + quarantine);
    },
  );
});
