import { expect, test } from "vitest";
import { runChild } from "../native/fixtures/run-child.js";
import { quarantine } from "../support/sanitizer-env.js";

// The resident set, not `memory()`: asking for that frees what is unreachable.
test.each([
  ["SAE", "SAE, deflated", "SAE, mapped", "SAE, converted", "transcoder", "many at once"],
  ["model", "model, converted", "model that ran", "loads that fail"],
  ["worker", "transcoder", "model, converted"],
])("loaded and forgotten over and over, the process stays as large: %s, …", async (...names) => {
  const end = await runChild("forgotten.ts", names);
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null, stderr: "" });
  const growth = Object.entries(JSON.parse(end.stdout) as Record<string, number>);
  expect(growth.length).toBeGreaterThan(1);
  for (const [name, bytes] of growth) expect(bytes, name).toBeLessThan(100e6 + quarantine);
});
