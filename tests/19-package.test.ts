import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as gemlens from "../lib/index.js";
import { root } from "./support/cli.js";

// What an application sees of the package: its declarations as they are emitted.
let folder: string;
const at = (...names: string[]) => join(folder, ...names);

function tsc(...args: string[]): string {
  const bin = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  return spawnSync(process.execPath, [bin, ...args], { cwd: folder, encoding: "utf8" }).stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gemlens-types-"));
  mkdirSync(at("app/node_modules/gemlens"), { recursive: true });
  // Beside it, what the declarations import: zod and @types/node.
  symlinkSync(join(root, "node_modules"), at("node_modules"));
  symlinkSync(join(root, "package.json"), at("app/node_modules/gemlens/package.json"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the published declarations", () => {
  it("compile in an application that checks libraries too", () => {
    const dist = at("app/node_modules/gemlens/dist");
    // Types themselves are checked by npm run lint.
    const build = ["-p", join(root, "tsconfig.build.json"), "--emitDeclarationOnly", "--noCheck"];
    expect(tsc(...build, "--outDir", dist)).toBe("");

    const names = Object.keys(gemlens).join(", ");
    const code = `import { ${names} } from "gemlens";
import type { InterventionsJson } from "gemlens";
export const all = [${names}];
type Steer = Extract<InterventionsJson["interventions"][number], { type: "steer" }>;
const minus: Steer["coefficient"] = "-Infinity";
// @ts-expect-error: no number in words but these
const other: typeof minus = "NaN";
`;
    writeFileSync(at("app/main.mts"), code);
    const how = ["--module", "nodenext", "--target", "es2022", "--types", "node"];
    expect(tsc("--noEmit", "--strict", "--skipLibCheck", "false", ...how, at("app/main.mts"))).toBe(
      "",
    );
  });
});
