import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import {
  cacheDir,
  describeCandidate,
  libtorchCandidates,
  libtorchForBuild,
} from "../../lib/native/libtorch.js";
import { findArtefacts } from "../../lib/native/load.js";
import { newFolder } from "../support/folder.js";

const hasPython = spawnSync("python3", ["--version"]).status === 0;

let folder: string;
beforeEach(() => {
  folder = newFolder();
});

/** The files that identify a libtorch; no test loads it. */
function layOut(dir: string, version: string, options: { cuda?: boolean; headers?: boolean } = {}) {
  const [major, minor, patch] = version.split(".");
  mkdirSync(join(dir, "lib"), { recursive: true });
  writeFileSync(join(dir, "lib", "libtorch_cpu.so"), "");
  if (options.cuda) writeFileSync(join(dir, "lib", "libtorch_cuda.so"), "");
  if (options.headers === false) {
    writeFileSync(join(dir, "version.py"), `__version__ = '${version}+cu130'\n`);
    return dir;
  }
  mkdirSync(join(dir, "include", "torch", "headeronly"), { recursive: true });
  mkdirSync(join(dir, "include", "ATen", "core"), { recursive: true });
  writeFileSync(join(dir, "include", "ATen", "core", "Tensor.h"), "");
  writeFileSync(
    join(dir, "include", "torch", "headeronly", "version.h"),
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`,
  );
  return dir;
}

/** An environment with only these variables. */
function environment(extra: Record<string, string>) {
  return { PATH: "", HOME: folder, ...extra };
}

test("tries LIBTORCH first, then Python, then the cache folder", () => {
  const named = layOut(join(folder, "named"), "2.13.1");
  const cached = layOut(join(folder, "cache", "libtorch", "2.15.0", "torch"), "2.15.0");
  const env = environment({ LIBTORCH: named, GEMLENS_CACHE: join(folder, "cache") });
  const candidates = [...libtorchCandidates(env)];
  expect(candidates.map((candidate) => candidate.source)).toEqual([
    "LIBTORCH",
    "python",
    "python",
    "cache",
  ]);
  expect(candidates[0]).toMatchObject({ dir: named, version: "2.13.1", minor: "2.13" });
  expect(candidates[1]?.problem).toBe("not on PATH");
  expect(candidates[3]).toMatchObject({ dir: cached, version: "2.15.0", problem: undefined });
});

test("reports each candidate's problem", () => {
  mkdirSync(join(folder, "empty"));
  const problem = (dir: string) => {
    const env = environment({ LIBTORCH: join(folder, dir) });
    return libtorchCandidates(env).next().value?.problem;
  };
  expect(problem("nowhere")).toBe("no such directory");
  expect(problem("empty")).toBe("holds no lib/libtorch_cpu.so");
  mkdirSync(join(folder, "nameless", "lib"), { recursive: true });
  writeFileSync(join(folder, "nameless", "lib", "libtorch_cpu.so"), "");
  expect(problem("nameless")).toBe("names no version");
  const unset = libtorchCandidates(environment({})).next().value;
  expect(unset?.problem).toBe("not set");
});

test("a libtorch has CUDA if libtorch_cuda.so exists, whatever the version says", () => {
  const cpu = layOut(join(folder, "cpu"), "2.15.0", { headers: false });
  const cuda = layOut(join(folder, "cuda"), "2.11.0", { cuda: true });
  const first = (dir: string) => libtorchCandidates(environment({ LIBTORCH: dir })).next().value;
  expect(first(cpu)).toMatchObject({ version: "2.15.0", cuda: false, headers: false });
  expect(first(cuda)).toMatchObject({ minor: "2.11", cuda: true, headers: true });
});

test.skipIf(!hasPython)("asks Python for its torch without importing it", () => {
  const site = join(folder, "site");
  layOut(join(site, "torch"), "2.14.1");
  writeFileSync(join(site, "torch", "__init__.py"), "raise SystemExit('imported')\n");
  const env = environment({ PATH: process.env["PATH"] ?? "", PYTHONPATH: site });
  const python = [...libtorchCandidates(env)].filter((candidate) => candidate.source === "python");
  expect(python).toHaveLength(1);
  expect(python[0]).toMatchObject({ dir: join(site, "torch"), version: "2.14.1" });
});

test.skipIf(!hasPython)("ignores a torch in the working directory", () => {
  layOut(join(folder, "torch"), "2.15.0");
  writeFileSync(join(folder, "torch", "__init__.py"), "");
  const before = process.cwd();
  process.chdir(folder);
  try {
    const env = environment({ PATH: process.env["PATH"] ?? "" });
    const dirs = [...libtorchCandidates(env)].map((candidate) => candidate.dir);
    expect(dirs).not.toContain(join(folder, "torch"));
  } finally {
    process.chdir(before);
  }
});

test("reports an unreadable candidate as its problem, not as an error", () => {
  const named = layOut(join(folder, "named"), "2.15.0");
  rmSync(join(named, "include", "torch", "headeronly", "version.h"));
  mkdirSync(join(named, "include", "torch", "headeronly", "version.h"));
  writeFileSync(join(folder, "libtorch"), "");
  const candidates = [
    ...libtorchCandidates(environment({ LIBTORCH: named, GEMLENS_CACHE: folder })),
  ];
  expect(candidates[0]?.problem).toBe("names no version");
  expect(candidates.at(-1)).toMatchObject({ source: "cache", problem: "cannot be read (ENOTDIR)" });
});

test("prefers the default among fetched versions, then the newest", () => {
  for (const version of ["2.9.1", "2.16.0", "2.15.0"]) {
    layOut(join(folder, "libtorch", version, "torch"), version);
  }
  mkdirSync(join(folder, "libtorch", "2.15.0.partial"));
  const candidates = [...libtorchCandidates(environment({ GEMLENS_CACHE: folder }))];
  const cached = candidates.filter((candidate) => candidate.source === "cache");
  expect(cached.map((candidate) => candidate.version)).toEqual(["2.15.0", "2.16.0", "2.9.1"]);
});

test("a build skips a candidate without headers, and lists it", () => {
  const runtimeOnly = layOut(join(folder, "runtime"), "2.15.0", { headers: false });
  const cached = layOut(join(folder, "cache", "libtorch", "2.15.0", "torch"), "2.15.0");
  const env = environment({ LIBTORCH: runtimeOnly, GEMLENS_CACHE: join(folder, "cache") });
  const { found, passedOver } = libtorchForBuild(env);
  expect(found?.dir).toBe(cached);
  expect(passedOver.map(describeCandidate)).toEqual([
    `LIBTORCH ${runtimeOnly}: 2.15.0, CPU, no headers`,
    "python3: not on PATH",
    "python: not on PATH",
  ]);
});

test("a build skips a libtorch that is too old, and says so", () => {
  const old = layOut(join(folder, "old"), "2.9.1");
  const cached = layOut(join(folder, "libtorch", "2.11.0", "torch"), "2.11.0");
  const env = environment({ LIBTORCH: old, GEMLENS_CACHE: folder });
  const { found, passedOver } = libtorchForBuild(env);
  expect(found?.dir).toBe(cached);
  expect(passedOver.map(describeCandidate)[0]).toBe(
    `LIBTORCH ${old}: 2.9.1, CPU: older than 2.11, the oldest that a core can be built for`,
  );
});

test("the cache folder follows GEMLENS_CACHE, XDG_CACHE_HOME, HOME in that order", () => {
  expect(cacheDir({ HOME: "/h" })).toBe("/h/.cache/gemlens");
  expect(cacheDir({ HOME: "/h", XDG_CACHE_HOME: "/x" })).toBe("/x/gemlens");
  expect(cacheDir({ HOME: "/h", XDG_CACHE_HOME: "/x", GEMLENS_CACHE: "/g" })).toBe("/g");
});

test("skips a truncated library, which would crash the process if opened", () => {
  const dir = layOut(join(folder, "torch"), "2.15.0");
  const whole = readFileSync(join(findArtefacts(), "gemlens.node"));
  const problem = () => libtorchCandidates(environment({ LIBTORCH: dir })).next().value?.problem;
  for (const name of ["libtorch_cpu.so", "libc10.so"]) {
    const library = join(dir, "lib", name);
    writeFileSync(library, whole);
    expect(problem()).toBeUndefined();
    // The library ends in its code, in its header, or in the table after the header.
    for (const length of [whole.length / 2, 64, 100]) {
      writeFileSync(library, whole.subarray(0, length));
      expect(problem()).toBe(`lib/${name} is cut short`);
    }
    writeFileSync(library, whole);
  }
  // The offset of the table in the header is invalid.
  const astray = Buffer.from(whole);
  astray.writeBigUInt64LE(2n ** 63n, 0x20);
  writeFileSync(join(dir, "lib", "libc10.so"), astray);
  expect(problem()).toBe("lib/libc10.so is cut short");
  // The loader reports a file that is no ELF file.
  writeFileSync(join(dir, "lib", "libc10.so"), "no library");
  expect(problem()).toBeUndefined();
});

test("skips a library that cannot be read", () => {
  const dir = layOut(join(folder, "torch"), "2.15.0");
  rmSync(join(dir, "lib", "libtorch_cpu.so"));
  mkdirSync(join(dir, "lib", "libtorch_cpu.so"));
  const { value } = libtorchCandidates(environment({ LIBTORCH: dir })).next();
  expect(value?.problem).toBe("lib/libtorch_cpu.so cannot be read (EISDIR)");
});
