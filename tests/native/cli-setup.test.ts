import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadWithReport } from "../../lib/native/load.js";
import { sanitizerEnv } from "../support/sanitizer-env.js";

const root = join(import.meta.dirname, "../..");
const { report } = loadWithReport();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gemlens-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function gemlens(args: readonly string[], env: Record<string, string>) {
  const main = join(root, "lib/cli/main.ts");
  return spawnSync(process.execPath, ["--import", "tsx", main, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { HOME: folder, PATH: "", ...sanitizerEnv(), ...env },
  });
}

const works = () => ({ LIBTORCH: report.libtorch.dir, GEMLENS_ADDON: report.artefacts });

test("wrong usage ends with 2, and says on stderr what was wrong", () => {
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
  // Not dropped, although a libtorch with its core is there.
  const sum = gemlens(["setup", "--sha256", "0".repeat(64)], works());
  expect(sum.status).toBe(2);
  expect(sum.stderr).toContain("ARGUMENT: setup: expected --archive beside --sha256, got none");
});

test("--help and --version are data, with 0", () => {
  expect(gemlens(["--help"], works())).toMatchObject({ status: 0, stderr: "" });
  expect(gemlens(["--version"], works()).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("doctor: 0 and JSON on stdout where it loads, 1 with the remedy where it does not", () => {
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

test("setup does nothing where a libtorch with its core is there", () => {
  const run = gemlens(["setup", "--json"], works());
  expect(run.status).toBe(0);
  expect(JSON.parse(run.stdout)).toEqual({ libtorch: report.libtorch.dir });
});
