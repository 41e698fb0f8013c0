import { expect, test } from "vitest";
import { runChild } from "../native/fixtures/run-child.js";
import { quarantine } from "../support/sanitizer-env.js";

// Measures the resident set, as `memory()` itself would free unreachable handles.
test.each([
  ["SAE", "SAE, deflated", "SAE, mapped", "SAE, converted", "transcoder", "many at once"],
  ["model", "model, converted", "model that ran", "loads that fail"],
  ["worker", "transcoder", "model, converted"],
])("loads that are dropped without dispose do not grow the process: %s, …", async (...names) => {
  const end = await runChild("forgotten.ts", names);
  expect(end, end.stderr).toMatchObject({ code: 0, signal: null, stderr: "" });
  const growth = Object.entries(JSON.parse(end.stdout) as Record<string, number>);
  expect(growth.length).toBeGreaterThan(1);
  for (const [name, bytes] of growth) expect(bytes, name).toBeLessThan(100e6 + quarantine);
});
