import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { defaultTorchVersion } from "../../lib/native/libtorch.js";
import { loadWithReport } from "../../lib/native/load.js";
import { newFolder } from "../support/folder.js";
import { sanitizerEnv } from "../support/sanitizer-env.js";

const root = join(import.meta.dirname, "../..");
const { report } = loadWithReport();

let folder: string;
beforeEach(() => {
  folder = newFolder();
});

function gemlens(args: readonly string[], env: Record<string, string>) {
  return spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
    cwd: root,
    encoding: "utf8",
    env: { HOME: folder, PATH: "", ...sanitizerEnv(), ...env },
  });
}

const works = () => ({ LIBTORCH: report.libtorch.dir, GEMLENS_ADDON: report.artefacts });

test("wrong usage ends with 2 and a reason on stderr", () => {
  for (const args of [[], ["frobnicate"], ["doctor", "--frobnicate"], ["setup", "--torch"]]) {
    const run = gemlens(args, works());
    expect([args, run.status, run.stdout]).toEqual([args, 2, ""]);
    expect(run.stderr).not.toBe("");
  }
  const version = gemlens(["setup", "--torch", "newest"], works());
  expect(version.status).toBe(2);
  expect(version.stderr).toBe(
    "gemlens: ARGUMENT: setup: expected a version like 2.15.0, got newest\n",
  );
  // The option is refused, not ignored, although a libtorch with its core is there.
  const sum = gemlens(["setup", "--sha256", "0".repeat(64)], works());
  expect(sum.status).toBe(2);
  expect(sum.stderr).toContain("ARGUMENT: setup: expected --archive beside --sha256, got none");
});

test("--help and --version print to stdout and end with 0", () => {
  expect(gemlens(["--help"], works())).toMatchObject({ status: 0, stderr: "" });
  expect(gemlens(["--version"], works()).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("doctor: 0 and JSON on stdout if the core loads, otherwise 1 with the remedy", () => {
  const good = gemlens(["doctor", "--json"], works());
  expect([good.status, good.stderr]).toEqual([0, ""]);
  expect(JSON.parse(good.stdout)).toMatchObject({
    ok: true,
    loaded: { libtorch: { source: "LIBTORCH", dir: report.libtorch.dir } },
    remedies: [],
  });
  const bad = gemlens(["doctor"], { GEMLENS_ADDON: report.artefacts });
  expect(bad.status).toBe(1);
  expect(bad.stdout).toContain("  1. LIBTORCH: not set\n  2. python3: not on PATH\n");
  expect(bad.stdout).toContain("npx gemlens setup");
});

test("setup does nothing if a libtorch with its core is there", () => {
  const run = gemlens(["setup", "--json"], works());
  expect(run.status).toBe(0);
  expect(JSON.parse(run.stdout)).toEqual({ libtorch: report.libtorch.dir });
});

/** Loader and core by name, in a separate folder. */
function artefacts(core: (path: string) => void) {
  const dir = join(folder, "artefacts");
  mkdirSync(dir);
  copyFileSync(join(report.artefacts, "gemlens.node"), join(dir, "gemlens.node"));
  core(join(dir, `libgemlens_core-${report.libtorch.minor}.so`));
  return dir;
}

test("setup fails with a core that does not load", () => {
  const GEMLENS_ADDON = artefacts((path) => writeFileSync(path, "not a library"));
  const run = gemlens(["setup"], { ...works(), GEMLENS_ADDON });
  expect([run.status, run.stdout]).toEqual([1, ""]);
  expect(run.stderr).toContain("file too short: building the core again");
  expect(run.stderr).toContain("building needs cmake");
  expect(run.stderr).toContain("NATIVE_LOAD: setup: the core for libtorch");
  expect(run.stderr).toContain("installing gemlens again");
});

/** The files that identify a libtorch with headers; it does not load. */
function layOut(dir: string, version: string) {
  const [major, minor, patch] = version.split(".");
  for (const path of ["lib", "include/ATen/core", "include/torch/headeronly"]) {
    mkdirSync(join(dir, path), { recursive: true });
  }
  for (const path of ["lib/libtorch_cpu.so", "include/ATen/core/Tensor.h"]) {
    writeFileSync(join(dir, path), "");
  }
  const parts = [`MAJOR ${major}`, `MINOR ${minor}`, `PATCH ${patch}`];
  const header = parts.map((part) => `#define TORCH_VERSION_${part}\n`).join("");
  writeFileSync(join(dir, "include/torch/headeronly/version.h"), header);
  return dir;
}

/** A PATH with a Python that has this torch, and a pip that prints its arguments and fails. */
function python(torch: string) {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh
case "$*" in
  *--version) ;;
  *download*) echo "pip: $*" | /usr/bin/env -i PATH=/usr/bin:/bin tail -n 1; exit 1 ;;
  *) echo "${torch}/__init__.py" ;;
esac
`;
  writeFileSync(join(bin, "python3"), script, { mode: 0o755 });
  return bin;
}

test("setup fetches the libtorch that has a core instead of building for another that is found", () => {
  const minor = defaultTorchVersion.replace(/\.\d+$/, "");
  const GEMLENS_ADDON = artefacts(() => undefined);
  writeFileSync(join(GEMLENS_ADDON, `libgemlens_core-${minor}.so`), "");
  const env = { GEMLENS_ADDON, PATH: python(layOut(join(folder, "site/torch"), "2.12.0")) };
  const fetching = gemlens(["setup"], env);
  expect(fetching.status).toBe(1);
  expect(fetching.stderr).toContain(`torch==${defaultTorchVersion}`);
  // Setup builds for a libtorch that is named.
  const LIBTORCH = layOut(join(folder, "named"), "2.12.0");
  const building = gemlens(["setup"], { ...env, LIBTORCH });
  expect(building.status).toBe(1);
  expect(building.stderr).toContain("building needs cmake");
  expect(building.stderr).toContain(`npx gemlens setup --torch ${defaultTorchVersion}`);
  // Setup does not build for one that is too old.
  const old = gemlens(["setup"], { ...env, LIBTORCH: layOut(join(folder, "old"), "1.13.1") });
  expect(old.stderr).toContain(`torch==${defaultTorchVersion}`);
});
