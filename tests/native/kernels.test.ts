import { beforeAll, describe, expect, test } from "vitest";
import { loadAddon } from "../../lib/native/load.js";
import { relativeError } from "../support/compare.js";
import { device } from "../support/device.js";
import { type KernelOutcome, type KernelRun, kernelCases } from "./fixtures/kernel-cases.js";
import { runChild } from "./fixtures/run-child.js";

const { instructionSets } = loadAddon().info();
// A GPU has one table, independent of the CPU's instruction set.
const levels = device === "cpu" ? ["composed", ...instructionSets] : ["composed"];

// All levels use the same products of libtorch, so that only the kernels differ.
const pinned = {
  ATEN_CPU_CAPABILITY: "default",
  ONEDNN_MAX_CPU_ISA: "SSE41",
  MKL_ENABLE_INSTRUCTIONS: "SSE4_2",
};

const runs: Record<string, KernelRun> = {};
beforeAll(async () => {
  for (const level of levels) {
    const options = { env: { ...pinned, GEMLENS_ISA: level } };
    const child = await runChild("kernel-cases.ts", [device], options);
    expect(child.stderr).toBe("");
    runs[level] = JSON.parse(child.stdout) as KernelRun;
  }
});

describe("encode, decode and dots of the corpus match float64", () => {
  test.each(levels)("%s", (level) => {
    const { instructionSet, cases } = runs[level]!;
    expect(instructionSet).toBe(level);
    for (const { name, exact, expected, fault } of kernelCases()) {
      if (fault !== undefined) {
        expect(cases[name], name).toMatchObject({ fields: fault });
        continue;
      }
      const got = cases[name] as KernelOutcome;
      expect(got.indptr, name).toEqual(expected!.indptr);
      expect(got.indices, name).toEqual(expected!.indices);
      for (const part of ["values", "decoded", "dots"] as const) {
        const want = expected![part].map(Math.fround);
        if (exact) expect(got[part], `${name}: ${part}`).toEqual(want);
        else expect(relativeError(got[part], want), `${name}: ${part}`).toBeLessThan(1e-6);
      }
    }
  });
});

test.runIf(device === "cpu")("every table gives the same bits", () => {
  for (const level of instructionSets) expect(runs[level]!.cases).toEqual(runs["portable"]!.cases);
});
