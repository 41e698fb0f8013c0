import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import * as gemlens from "../../lib/index.js";
import { root } from "../support/cli.js";
import { newFolder } from "../support/folder.js";

// Tests the package as an application sees it, without installing it (npm run test:package does).
const require = createRequire(import.meta.url);
const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

function tsc(...args: string[]): string {
  const bin = require.resolve("typescript/bin/tsc");
  return spawnSync(process.execPath, [bin, ...args], { cwd: folder, encoding: "utf8" }).stdout;
}

beforeAll(() => {
  folder = newFolder();
  mkdirSync(at("app/node_modules/gemlens"), { recursive: true });
  // The declarations import these packages, zod and @types/node.
  symlinkSync(join(root, "node_modules"), at("node_modules"));
  symlinkSync(join(root, "package.json"), at("app/node_modules/gemlens/package.json"));
});

describe("the published declarations", () => {
  test("compile in an application that checks libraries, too", () => {
    const dist = at("app/node_modules/gemlens/dist");
    // npm run lint checks the types themselves.
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

describe("package.json", () => {
  test("requires a Node that has zlib.crc32 and that every dependency accepts", () => {
    const { subset } = require("semver") as { subset(inner: string, outer: string): boolean };
    const { node } = read("package.json").engines as { node: string };
    expect(subset(node, "^20.15.0 || >=22.2.0")).toBe(true);
    const all = Object.entries<{ dev?: boolean; engines?: { node?: string } }>(
      read("package-lock.json").packages,
    ).filter(([, { dev, engines }]) => dev !== true && engines?.node !== undefined);
    expect(all.length).toBeGreaterThan(10);
    const narrower = all.filter(([, { engines }]) => !subset(node, engines?.node ?? ""));
    expect(narrower).toEqual([]);
  });
});

test("has no script that npm runs automatically before or after another", () => {
  const names = Object.keys(read("package.json").scripts);
  const hooks = names.filter((name) => names.includes(name.replace(/^(pre|post)/, "")));
  expect(hooks.filter((name) => /^(pre|post)/.test(name))).toEqual([]);
});

describe("the packed files", () => {
  let paths: string[];
  beforeAll(() => {
    const pack = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const run = spawnSync("npm", pack, { cwd: root, encoding: "utf8" });
    const [{ files }] = JSON.parse(run.stdout) as [{ files: { path: string }[] }];
    paths = files.map(({ path }) => path);
  });

  test("include every file that a packed page links", () => {
    const pages = paths.filter((path) => path.endsWith(".md"));
    expect(pages).toContain("docs/hooks.md");
    const broken = pages.flatMap((page) =>
      [...readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)#]+)\)/g)]
        .map(([, target = ""]) => target)
        .filter((target) => !/^https?:/.test(target))
        .map((target) => join(dirname(page), target))
        .filter((target) => !paths.includes(target))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test("include no configuration that extends one outside the package", () => {
    expect(paths.filter((path) => /tsconfig/.test(path))).toEqual([]);
  });
});
