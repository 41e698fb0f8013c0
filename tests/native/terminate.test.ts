import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRandomCheckpoint } from "./fixtures/random-checkpoint.js";
import { runChild } from "./fixtures/run-child.js";

let long: string;
beforeAll(() => {
  long = writeRandomCheckpoint({ layers: 64 }).folder;
});
afterAll(() => rmSync(long, { recursive: true, force: true }));

describe("worker.terminate() neither hangs nor takes the process with it", () => {
  const check = async (situation: string, folder: string, times: number) => {
    const end = await runChild("terminate.ts", [situation, folder, String(times)]);
    expect(end.stderr).toBe("");
    expect(end).toMatchObject({ code: 0, signal: null });
    expect(end.stdout.match(/^terminated \d+$/gm)).toHaveLength(times);
    expect(end.stdout).toContain("works 1 2 128");
  };

  test.each([
    ["pending hook", 2],
    ["pending hook in a nested run", 2],
    ["hook that never returns", 2],
    ["many hooks", 2],
    ["failing runs", 2],
    ["results with data", 2],
  ])("%s", (situation, times) => check(situation, "", times));

  test("long forward", () => check("long forward", long, 1));
});
