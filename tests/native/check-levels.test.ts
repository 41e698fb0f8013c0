import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { newFolder } from "../support/folder.js";

const script = join(import.meta.dirname, "../../cmake/check_levels.cmake");

let folder: string;
beforeEach(() => {
  folder = newFolder();
  mkdirSync(join(folder, "kernels"));
});

/** The build check's message about objects of these sources; "" if it passes. */
function check(sources: Record<string, string>) {
  const objects = Object.entries(sources).map(([name, text]) => {
    const object = join(folder, "kernels", `${name}.cc.o`);
    const source = join(folder, `${name}.cc`);
    writeFileSync(source, text);
    const compiled = spawnSync(process.env["CXX"] ?? "c++", ["-c", source, "-o", object]);
    expect(compiled.status).toBe(0);
    return object;
  });
  const args = ["-DNM=nm", `-DOBJECTS=${objects.join("|")}`, "-P", script];
  const run = spawnSync("cmake", args, { encoding: "utf8" });
  expect(run.status === 0).toBe(run.stderr === "");
  return run.stderr;
}

const table = (name: string) =>
  `namespace gemlens::kernels { extern const int ${name}; const int ${name} = 1; }\n`;
const tables = { portable: table("portable"), avx2: table("avx2"), avx512: table("avx512") };

test("passes objects that define only their table", () => {
  expect(check(tables)).toBe("");
});

test("refuses an inline function of a level, which the linker could give to every file", () => {
  const shared = "inline int shared(int x) { return x + 1; }\nint (*used)(int) = shared;\n";
  const problem = check({ ...tables, avx512: `${tables.avx512}static ${shared}` });
  expect(problem).toContain("kernels/avx512.cc may define its table only");
  expect(check({ ...tables, avx2: tables.avx2 + shared })).toContain("_Z6sharedi W");
});

test("names a level whose object is missing", () => {
  const { avx2: _, ...others } = tables;
  expect(check(others)).toContain("kernels/avx2.cc: no such object");
});
