import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { root } from "../support/cli.js";
import { newFolder } from "../support/folder.js";

// Runs scripts/prepare.mjs, as `npm pack` does, on a project of two modules.
let folder: string;
const at = (...names: string[]) => join(folder, ...names);

beforeAll(() => {
  folder = newFolder();
  cpSync(join(root, "scripts"), at("scripts"), { recursive: true });
  for (const name of ["package.json", "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(join(root, name), at(name));
  }
  symlinkSync(join(root, "node_modules"), at("node_modules"));
  mkdirSync(at("lib/part"), { recursive: true });
  writeFileSync(at("lib/index.ts"), 'export * from "./part/one.js";\n');
  writeFileSync(at("lib/part/one.ts"), "export const one = 1;\n");
});

function pack(): { stderr: string; compiled: number } {
  const run = spawnSync(process.execPath, [at("scripts/prepare.mjs")], {
    encoding: "utf8",
    env: { ...process.env, npm_command: "pack" },
  });
  expect([run.status, run.stdout]).toEqual([0, ""]);
  return { stderr: run.stderr, compiled: statSync(at("dist/part/one.js")).mtimeMs };
}

test("npm pack compiles TypeScript if it has changed, and never the core", () => {
  const first = pack();
  expect(first.stderr).toContain("no prebuilds");
  expect(pack().compiled).toBe(first.compiled);
  const later = new Date(Date.now() + 10_000);
  utimesSync(at("lib/part/one.ts"), later, later);
  const changed = pack().compiled;
  expect(changed).toBeGreaterThan(first.compiled);
  utimesSync(at("lib/part/one.ts"), new Date(0), new Date(0));
  // The output of a removed module must not stay in the package.
  writeFileSync(at("dist/part/gone.js"), "");
  pack();
  expect(existsSync(at("dist/part/gone.js"))).toBe(false);
  for (const built of ["build", ".cmake-build"]) expect(existsSync(at(built))).toBe(false);
});
