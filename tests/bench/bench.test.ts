import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { distance } from "../../bench/distance.js";
import { measure } from "../../bench/measure.js";
import { Peers } from "../../bench/peers.js";
import { newestReport, type Report } from "../../bench/report.js";
import type { Row, Side } from "../../bench/row.js";
import {
  benchBlock,
  benchPages,
  benchSummary,
  benchTable,
  summaryPage,
} from "../../bench/table.js";
import { runChild } from "../native/fixtures/run-child.js";

describe("the result tables", () => {
  test.each(["cpu", "cuda"] as const)(
    "show the newest %s report, or are empty if there is none",
    (device) => {
      const report = newestReport(device);
      const page = readFileSync(benchPages[device], "utf8");
      expect(benchBlock(page)).toBe(report && benchTable(report));
    },
  );
});

test("the README shows the summary rows and no others", () => {
  const report = newestReport() as Report;
  const shown = benchBlock(readFileSync(summaryPage, "utf8"));
  expect(shown).toBe(benchSummary(report));
  const rows = shown?.match(/^\| (?!work|-).*$/gm) ?? [];
  expect(rows.length).toBeGreaterThan(3);
  expect(rows.length).toBeLessThan(7);
});

describe("the line under the table", () => {
  const report = newestReport() as Report;

  test("reports the processor time that other processes used", () => {
    expect(benchTable({ ...report, othersCpuShare: 0.0314 })).toContain(
      "rounds in turns, other processes took 3.1 % of the cores' time, 20",
    );
  });

  test("omits that share if the report does not have it", () => {
    const { othersCpuShare, ...older } = report;
    expect(benchTable(older)).toMatch(/rounds in turns, \d{4}-/);
  });
});

describe("a row", () => {
  const peers = new Peers({}, 1);
  afterAll(() => peers.close());
  const side = (name: string, ms: number, ...output: number[]): Side => ({
    name,
    run: async () => ms,
    output: async () => Float32Array.from(output),
  });
  const row: Row = {
    id: "R",
    what: "work",
    work: { count: 4, of: "tokens" },
    open: async () => ({
      sides: [
        side("gemlens", 10, 1, 2),
        side("equal", 20, 1, 2.001),
        side("other", 5, 1, 2.1),
        side("broken", 5, 1, Number.NaN),
      ],
      bound: side("floor", 5),
      tolerance: 1e-3,
      close: () => undefined,
    }),
  };

  test("measure times peers with matching output and gives the reason for refusing others", async () => {
    const measured = await measure(row, peers, { rounds: 3, warmUp: 0 });
    expect(measured.sides.map(({ name }) => name)).toEqual(["gemlens", "equal"]);
    expect(measured.sides[0]).toMatchObject({ medianMs: 10, spread: 0, perSecond: 400 });
    expect(measured.compared).toMatchObject([{ name: "equal", medianRatio: 2, leastRatio: 2 }]);
    expect(measured.bound).toMatchObject({ name: "floor", medianMs: 5, share: 0.5 });
    expect(measured.refused).toMatchObject([{ name: "other" }, { name: "broken" }]);
    expect(measured.refused[0]?.why).toBe("its output is 5.0e-2 from ours, at most 0.001");
  });
});

describe("the distance that decides whether a peer is comparable", () => {
  test("is relative to the largest number", () => {
    expect(distance(Float32Array.of(1, 2.5), Float32Array.of(1, 2))).toBe(0.25);
  });

  test("is NaN if any output is NaN", () => {
    expect(distance(Float32Array.of(Number.NaN, 1), Float32Array.of(1, 1))).toBeNaN();
  });

  test("refuses outputs of different sizes", () => {
    expect(() => distance(new Float32Array(2), new Float32Array(3))).toThrow("2 numbers, ours 3");
  });
});

describe("a temporary folder", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("does not outlive %s", async (signal, code) => {
    const end = await runChild("ended-by-a-signal.ts", [signal]);
    expect(end).toMatchObject({ code, signal: null, stderr: "" });
    expect(end.stdout).toMatch(/gemlens-bench-/);
    expect(existsSync(end.stdout.trim())).toBe(false);
  });
});

describe("bench/real-size.ts", () => {
  test("refuses an unknown case name and leaves the page unchanged", async () => {
    const page = new URL("../../docs/limits.md", import.meta.url);
    const before = readFileSync(page, "utf8");
    const end = await runChild("../../../bench/real-size.ts", ["--only", "1b-bfloat16,2b"]);
    expect(end).toMatchObject({ code: 2, stdout: "" });
    expect(end.stderr).toContain("expected some of 2b-bfloat16, 2b-float32, 1b-bfloat16, got 2b\n");
    expect(readFileSync(page, "utf8")).toBe(before);
  });
});
