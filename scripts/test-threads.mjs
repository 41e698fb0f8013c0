// Runs the executor, the mailbox and the hook rendezvous under ThreadSanitizer, without Node: node
// scripts/test-threads.mjs [seed [tasks]]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "gemlens-threads-"));
const binary = join(folder, "stress");
const sources = [
  "tests/native/threads/stress.cc",
  "native/base/executor.cc",
  "native/base/mailbox.cc",
  "native/base/error.cc",
];
const flags = ["-std=c++20", "-O1", "-g", "-fsanitize=thread", "-pthread", "-Inative"];

function run(command, args) {
  const env = { ...process.env, TSAN_OPTIONS: "halt_on_error=1 exitcode=66" };
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (error) console.error(`gemlens: ${command}: ${error.message}`);
  return status ?? 1;
}

// The program would turn an invalid number into 0 tasks, and pass.
const wrong = process.argv.slice(2).find((text) => !/^[1-9]\d*$/.test(text));

try {
  if (wrong !== undefined)
    throw new Error(`test-threads: expected a positive integer, got ${wrong}`);
  const compiler = process.env.CXX ?? "g++";
  process.exitCode =
    run(compiler, [...flags, ...sources, "-o", binary]) || run(binary, process.argv.slice(2));
} finally {
  rmSync(folder, { recursive: true });
}
