import { expect, test } from "vitest";
import { runChild } from "./fixtures/run-child.js";

/** Forty random calls from a seed; what was called, of which the seed says everything. */
async function made(seed: number): Promise<string> {
  const args = ["--calls", "40", "--seed", String(seed)];
  const end = await runChild("../../../scripts/stress.ts", args, { nodeArgs: ["--expose-gc"] });
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null });
  const [line = ""] = end.stdout.split("\n");
  // How many calls met their abort, or another's dispose, is a matter of time.
  const { expected, ...rest } = JSON.parse(line) as Record<string, unknown>;
  expect(rest).toMatchObject({ seed, total: 40 });
  return JSON.stringify(rest);
}

test("a stress run gives memory back, and its seed makes the same calls again", async () => {
  const first = await made(7);
  expect(await made(7)).toBe(first);
  expect(await made(8)).not.toBe(first.replace("7", "8"));
});
