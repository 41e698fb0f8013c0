// Runs the suite under AddressSanitizer and UndefinedBehaviorSanitizer, with libtorch's plain
// allocator, so that every tensor is watched. Ends with one line, "N passed, N failed"; a report
// fails the run.
//   node scripts/test-sanitizers.mjs                         everything: an hour or more
//   node scripts/test-sanitizers.mjs tests/hooks/hooks.test.ts  other arguments go to vitest
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNative } from "./build-native.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, "build/sanitize");

const compiler = process.env.CXX ?? "g++";

function runtime(name) {
  const found = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
  const path = found.stdout?.trim() ?? "";
  if (!isAbsolute(path)) throw new Error(`${compiler}: expected a path for ${name}, got ${path}`);
  return path;
}

/**
 * Node itself is not instrumented, so the runtimes must load before anything else in the process.
 */
function preload(folder) {
  const report = join(folder, "libreport.so");
  const source = join(root, "tests/native/sanitizers/report.cc");
  const flags = ["-std=c++20", "-shared", "-fPIC", source, "-o", report];
  const { status } = spawnSync(compiler, flags, { stdio: "inherit" });
  if (status !== 0) throw new Error(`${compiler}: cannot build ${source}`);
  // libstdc++ too: the runtime looks for __cxa_throw before the core loads it.
  return [runtime("libasan.so"), report, runtime("libubsan.so"), runtime("libstdc++.so.6")];
}

/** Children report to the folder too, even if their parent discards their output. */
function environment(libraries, reports) {
  const asan = [
    `log_path=${join(reports, "address")}`,
    "halt_on_error=1",
    // Tests ask for more memory than there is, and expect an error.
    "allocator_may_return_null=1",
    // V8 exits without freeing its heap.
    "detect_leaks=0",
    // Megabytes of freed memory that stay in quarantine: some tests measure a process's memory.
    "quarantine_size_mb=64",
    "detect_stack_use_after_return=1",
    "strict_init_order=1",
  ];
  return {
    ...process.env,
    GEMLENS_ADDON: addon,
    GEMLENS_ALLOCATOR: "system",
    LD_PRELOAD: libraries.join(":"),
    ASAN_OPTIONS: asan.join(":"),
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    GEMLENS_UBSAN_REPORT: join(reports, "undefined"),
  };
}

/** Runs the suite, shows its output, and returns its exit code and last words. */
function suite(args, env) {
  const command = [join(root, "scripts/test.mjs"), "--testTimeout=900000", "--hookTimeout=900000"];
  command.push(...args);
  const child = spawn(process.execPath, command, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let end = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    process.stdout.write(text);
    end = (end + text).slice(-200);
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code: code ?? 1, end }));
  });
}

/** Skips mere warnings about refused memory. */
function reportsIn(folder) {
  const texts = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]);
  const isReport = ([name, text]) => name.startsWith("undefined") || text.includes("ERROR: ");
  return texts.filter(isReport).map(([, text]) => text);
}

async function main() {
  const code = await buildNative(["--sanitize", "--no-cuda", "--out", addon]);
  if (code !== 0) {
    process.exitCode = code;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "gemlens-sanitizers-"));
  const reports = join(folder, "reports");
  mkdirSync(reports);
  try {
    const run = await suite(process.argv.slice(2), environment(preload(folder), reports));
    const found = reportsIn(reports);
    for (const report of found) console.log(report);
    const [, passed = "0", failed = "0"] = /(\d+) passed, (\d+) failed\n$/.exec(run.end) ?? [];
    // A test may expect its child to fail, but not with a report.
    const all = Number(failed) + found.length || Number(run.code !== 0);
    console.log(`${found.length} sanitizer reports`);
    console.log(`${passed} passed, ${all} failed`);
    process.exitCode = all === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

main();
