import { expect, test } from "vitest";
import { runChild } from "./fixtures/run-child.js";

/** Forty random calls from a seed, which determines the calls. */
async function called(seed: number): Promise<Record<string, unknown>> {
  const args = ["--calls", "40", "--seed", String(seed)];
  const end = await runChild("../../stress/main.ts", args, { nodeArgs: ["--expose-gc"] });
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null });
  const [line = ""] = end.stdout.split("\n");
  // The counts of aborts and disposals depend on timing.
  const { expected, ...rest } = JSON.parse(line) as Record<string, unknown>;
  expect(rest).toMatchObject({ seed, total: 40 });
  return rest;
}

test("a stress run frees its memory, and its seed repeats the same calls", async () => {
  const first = await called(7);
  expect(await called(7)).toEqual(first);
  expect((await called(8))["made"]).not.toBe(first["made"]);
});
