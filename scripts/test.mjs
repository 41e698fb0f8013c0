// Compiles dist, which child processes run, if the sources are newer. Then runs vitest and ends
// with one line, "N passed, N failed".
//   --gpu     the same suite on CUDA, and tests/gpu
//   --leak    tests/leak only
// Other arguments go to vitest: node scripts/test.mjs tests/coder/coder.test.ts -t "encode"
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileChanges } from "./compile.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function count(report) {
  let passed = 0;
  let failed = 0;
  for (const file of report.testResults) {
    const failures = file.assertionResults.filter((test) => test.status === "failed").length;
    passed += file.assertionResults.filter((test) => test.status === "passed").length;
    // A file that fails to load reports no failed test.
    failed += file.status === "failed" ? Math.max(failures, 1) : failures;
  }
  return { passed, failed };
}

function vitest(args, env) {
  const entry = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
  const child = spawn(process.execPath, [entry, "run", ...args], {
    cwd: root,
    stdio: "inherit",
    env,
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve(code ?? 1));
  });
}

async function main() {
  const args = process.argv.slice(2);
  const filters = args.filter((arg) => arg !== "--gpu" && arg !== "--leak");
  const env = { ...process.env };
  if (args.includes("--gpu")) env.GEMLENS_TEST_DEVICE = "cuda";
  if (args.includes("--leak")) filters.push("tests/leak/");

  if (compileChanges() !== 0) {
    console.log("lib does not compile\n0 passed, 1 failed");
    process.exitCode = 1;
    return;
  }

  const folder = mkdtempSync(join(tmpdir(), "gemlens-test-"));
  const file = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const code = await vitest([...reporters, ...filters], env);
  let { passed, failed } = existsSync(file)
    ? count(JSON.parse(readFileSync(file, "utf8")))
    : { passed: 0, failed: 0 };
  // An error outside any test, a crashed worker or no test at all: vitest fails, and so does this.
  if (code !== 0 && failed === 0) failed = 1;
  rmSync(folder, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

main();
