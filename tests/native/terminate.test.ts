import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRandomCheckpoint } from "./fixtures/random-checkpoint.js";
import { type ChildEnd, runChild } from "./fixtures/run-child.js";

const situations = [
  "pending hook",
  "pending hook in a nested run",
  "hook that never returns",
  "many hooks",
  "failing runs",
  "results with data",
  "long forward",
];

// One process runs all of them, so that damage by one shows in the next.
let long: string;
let end: ChildEnd;
beforeAll(async () => {
  long = writeRandomCheckpoint({ layers: 64 }).folder;
  end = await runChild("terminate.ts", [long, ...situations]);
});
afterAll(() => rmSync(long, { recursive: true, force: true }));

describe("worker.terminate() neither hangs nor ends the process", () => {
  test.each(situations)("%s", (situation) => {
    const lines = end.stdout.split("\n").filter((line) => line === `terminated in ${situation}`);
    expect(lines, end.stderr).toHaveLength(situation === "long forward" ? 1 : 2);
  });

  test("and the process works afterwards, and ends normally", () => {
    expect(end).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect(end.stdout).toMatch(/\nworks 1 2 128\n$/);
  });
});
