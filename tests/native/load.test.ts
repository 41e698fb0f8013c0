import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, expect, test } from "vitest";
import { coreProblem, packageVersion } from "../../lib/native/core-check.js";
import { coreMinors, findArtefacts, loadWithReport } from "../../lib/native/load.js";
import { doctor, formatDoctor } from "../../lib/setup/doctor.js";
import { newFolder } from "../support/folder.js";
import { sanitizerEnv } from "../support/sanitizer-env.js";

const root = join(import.meta.dirname, "../..");
const { report } = loadWithReport();

let folder: string;
beforeEach(() => {
  folder = newFolder();
});

/** Runs a module in a fresh Node with exactly this environment; stdout is its JSON. */
function inFreshNode(code: string, env: Record<string, string>) {
  const file = join(folder, "main.mjs");
  const load = JSON.stringify(join(root, "dist/native/load.js"));
  writeFileSync(file, `import { loadAddon, loadWithReport } from ${load};\n${code}`);
  const run = spawnSync(process.execPath, [file], {
    cwd: root,
    encoding: "utf8",
    env: { HOME: folder, PATH: "", ...sanitizerEnv(), ...env },
  });
  expect(run.stderr).toBe("");
  return JSON.parse(run.stdout) as Record<string, unknown>;
}

const works = () => ({ LIBTORCH: report.libtorch.dir, GEMLENS_ADDON: report.artefacts });

const describeFailure = `
  try { loadAddon(); console.log(JSON.stringify({ loaded: true })); }
  catch (e) { console.log(JSON.stringify({ code: e.code, message: e.message, fields: e.fields })); }`;

test("loads the core of the libtorch's own minor, once", () => {
  expect(report.core).toBe(join(report.artefacts, `libgemlens_core-${report.libtorch.minor}.so`));
  expect(loadWithReport().addon).toBe(loadWithReport().addon);
  expect(Object.keys(loadWithReport().addon).length).toBeGreaterThan(0);
});

test("importing loads nothing, and loading sets GOMP_SPINCOUNT unless it is set", () => {
  const code = `
    const before = process.env.GOMP_SPINCOUNT ?? null;
    const { readFileSync } = await import("node:fs");
    const maps = (name) => readFileSync("/proc/self/maps", "utf8").includes(name);
    const early = maps("libtorch_cpu");
    loadAddon();
    console.log(JSON.stringify({ before, early, late: maps("libtorch_cpu"), after: process.env.GOMP_SPINCOUNT }));`;
  const fresh = inFreshNode(code, works());
  expect(fresh).toEqual({ before: null, early: false, late: true, after: "1000" });
  const chosen = inFreshNode(code, { ...works(), GOMP_SPINCOUNT: "7" });
  expect(chosen["after"]).toBe("7");
});

test("GEMLENS_ISA limits the kernels and libtorch, unless libtorch's own variables are set", () => {
  const code = `
    const { instructionSet, cpuCapability } = loadAddon().info();
    const { ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS } = process.env;
    const limits = [ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS];
    console.log(JSON.stringify({ instructionSet, cpuCapability, limits }));`;
  const run = (env: Record<string, string>) => inFreshNode(code, { ...works(), ...env });
  const { instructionSets, cpuCapability } = loadWithReport().addon.info();
  const highest = { instructionSet: instructionSets.at(-1), cpuCapability };
  expect(run({ GEMLENS_ISA: "" })).toEqual({ ...highest, limits: [null, null, null] });
  expect(run({ GEMLENS_ISA: "portable", MKL_ENABLE_INSTRUCTIONS: "AVX2" })).toEqual({
    instructionSet: "portable",
    cpuCapability: "DEFAULT",
    limits: ["default", "SSE41", "AVX2"],
  });
});

test("refuses a GEMLENS_ISA that this CPU does not have, and lists those that it has", () => {
  const { instructionSets } = loadWithReport().addon.info();
  const failure = inFreshNode(describeFailure, { ...works(), GEMLENS_ISA: "AVX2" });
  expect(failure["code"]).toBe("NATIVE_LOAD");
  expect(failure["message"]).toBe(
    `GEMLENS_ISA: expected one of ${["composed", ...instructionSets].join(", ")} on this CPU, got AVX2`,
  );
});

test("the process has one OpenMP runtime: libtorch's", () => {
  const code = `
    const { readFileSync } = await import("node:fs");
    loadAddon();
    const paths = readFileSync("/proc/self/maps", "utf8").match(/\\S*lib[gi]?omp\\S*/g) ?? [];
    console.log(JSON.stringify({ paths: [...new Set(paths)] }));`;
  const { paths } = inFreshNode(code, works()) as { paths: string[] };
  expect(paths).toHaveLength(1);
});

test("skips a libtorch without a core and lists it", () => {
  const old = join(folder, "old");
  mkdirSync(join(old, "lib"), { recursive: true });
  writeFileSync(join(old, "lib", "libtorch_cpu.so"), "");
  writeFileSync(join(old, "version.py"), "__version__ = '1.2.3'\n");
  const cached = join(folder, "cache", "libtorch", report.libtorch.version ?? "");
  mkdirSync(cached, { recursive: true });
  symlinkSync(report.libtorch.dir, join(cached, "torch"));
  const code = `
    const { report } = loadWithReport();
    console.log(JSON.stringify({ source: report.libtorch.source, attempts: report.attempts }));`;
  const result = inFreshNode(code, {
    LIBTORCH: old,
    GEMLENS_CACHE: join(folder, "cache"),
    GEMLENS_ADDON: report.artefacts,
  });
  expect(result["source"]).toBe("cache");
  expect(result["attempts"]).toEqual([
    `LIBTORCH ${old}: 1.2.3, CPU, no headers: no core is built for 1.2`,
    "python3: not on PATH",
    "python: not on PATH",
  ]);
});

test("without any libtorch the error lists every location and names the remedies", () => {
  const failure = inFreshNode(describeFailure, { GEMLENS_ADDON: report.artefacts });
  expect(failure["code"]).toBe("NATIVE_LOAD");
  expect(failure["message"]).toBe(
    [
      "load: expected libtorch and the core built for it, got neither that works",
      `cores here: ${coreMinors(report.artefacts).join(", ")}. Tried, in order:`,
      "  - LIBTORCH: not set",
      "  - python3: not on PATH",
      "  - python: not on PATH",
      `  - ${join(folder, ".cache/gemlens/libtorch")}: nothing fetched yet`,
      "To fix it:",
      "  1. run `npx gemlens setup`, which fetches libtorch once and builds the core if none fits",
      "  2. or set LIBTORCH to a directory that holds include/ and lib/ of a libtorch with a core",
      "  3. `npx gemlens doctor` shows everything that was tried",
    ].join("\n"),
  );
});

test("reports a missing loader and a damaged core in the linker's words", () => {
  const none = inFreshNode(describeFailure, { ...works(), GEMLENS_ADDON: folder });
  expect(none["code"]).toBe("NATIVE_LOAD");
  expect(none["message"]).toContain(`GEMLENS_ADDON: ${folder} holds no gemlens.node`);

  copyFileSync(join(report.artefacts, "gemlens.node"), join(folder, "gemlens.node"));
  const core = join(folder, `libgemlens_core-${report.libtorch.minor}.so`);
  writeFileSync(core, "not a library");
  const damaged = inFreshNode(describeFailure, { ...works(), GEMLENS_ADDON: folder });
  expect(damaged["code"]).toBe("NATIVE_LOAD");
  expect(damaged["message"]).toContain(`${core}: file too short`);
});

test("does not open a truncated loader or core, which would crash the process", () => {
  const names = ["gemlens.node", `libgemlens_core-${report.libtorch.minor}.so`];
  const reset = () => {
    for (const name of names) copyFileSync(join(report.artefacts, name), join(folder, name));
  };
  for (const name of names) {
    reset();
    const path = join(folder, name);
    // Debug information comes last, and is not needed.
    truncateSync(path, Math.min(statSync(path).size >> 1, 100_000));
    const failure = inFreshNode(describeFailure, { ...works(), GEMLENS_ADDON: folder });
    expect(failure["code"]).toBe("NATIVE_LOAD");
    expect(failure["message"]).toContain(`${path} is cut short`);
    expect((failure["fields"] as { problem: string }).problem).toContain(`${path} is cut short`);
  }
});

test("refuses a core of another gemlens version", () => {
  const { addon } = loadWithReport();
  expect(coreProblem(addon)).toBeUndefined();
  const { shutDown: _, ...older } = addon;
  expect(coreProblem(older)).toBe("the core is of another version of gemlens: it lacks shutDown");
  const info = () => ({ ...addon.info(), version: "0.0.1" });
  expect(coreProblem({ ...addon, info })).toBe(
    `the core is of gemlens 0.0.1, and this is ${packageVersion()}`,
  );
});

test("worker threads load it next to the main thread, repeatedly", () => {
  const load = pathToFileURL(join(root, "dist/native/load.js")).href;
  const worker = join(folder, "worker.mjs");
  writeFileSync(
    worker,
    `import { parentPort } from "node:worker_threads";
    import { loadAddon } from "${load}";
    parentPort.postMessage(Object.keys(loadAddon()).length);`,
  );
  const code = `
    import { Worker } from "node:worker_threads";
    const names = Object.keys(loadAddon()).length;
    const run = () => new Promise((resolve, reject) => {
      const worker = new Worker(${JSON.stringify(worker)});
      let answer;
      worker.on("message", (m) => { answer = m; }).on("error", reject);
      worker.on("exit", (exit) => resolve([answer, exit]));
    });
    const results = [...await Promise.all([run(), run()]), await run()];
    console.log(JSON.stringify({ names, results }));`;
  const { names, results } = inFreshNode(code, works()) as { names: number; results: number[][] };
  expect(names).toBeGreaterThan(0);
  expect(results).toEqual([
    [names, 0],
    [names, 0],
    [names, 0],
  ]);
});

test("doctor reports the loader's findings, in its order", () => {
  const found = doctor();
  expect(found.ok).toBe(true);
  expect(found.loaded?.libtorch).toEqual(report.libtorch);
  const { instructionSet, cpuCapability } = loadWithReport().addon.info();
  expect(found.loaded).toMatchObject({ instructionSet, libtorchInstructionSet: cpuCapability });
  expect(found.artefacts.dir).toBe(findArtefacts());
  expect(found.libtorch[0]?.source).toBe("LIBTORCH");
  expect(found.libtorch.map((candidate) => candidate.dir)).toContain(report.libtorch.dir);
  const text = formatDoctor(found);
  expect(text).toContain(`kernels    ${instructionSet}; libtorch's ${cpuCapability}`);
  expect(text).toContain(`node ${process.version}, linux-x64, glibc ${found.glibc}`);
  expect(text).toMatch(new RegExp(`${report.libtorch.version}, C(PU|UDA).*<- loaded`));
});
