import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { newFolder } from "../support/folder.js";

const script = join(import.meta.dirname, "../../scripts/check-layers.mjs");

let folder: string;
beforeEach(() => {
  folder = newFolder();
});

/** The check's messages about a tree of these files, without its closing count. */
function check(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const run = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
  const lines = run.stdout.trim().split("\n");
  expect(run.status).toBe(run.stdout === "" ? 0 : 1);
  return run.stdout === "" ? [] : lines.slice(0, -1);
}

test("passes a tree that keeps the rules", () => {
  const files = {
    "lib/index.ts": 'export { a } from "./hooks/a.js";\n',
    "lib/hooks/a.ts":
      'import type { E } from "../errors/e.js";\nexport async function a(e: E) { await e; }\n',
    "lib/errors/e.ts": "export class E {}\n",
    "native/model/block.cc":
      '#include "model/block.h"\n#include "ops/rope.h"\n#include <ATen/core/Tensor.h>\n',
    "native/binding/module.cc": '#include <napi.h>\n#include "model/block.h"\n',
    "native/ops/rope.cu": "#include <cuda_runtime.h>\n",
    "tests/01.test.ts": 'import { a } from "../lib/index.js";\n',
    "tests/native/load.test.ts": 'import { load } from "../../lib/native/load.js";\n',
    "tests/native/fetch.test.ts": 'import { get } from "../../lib/fetch/get.js";\n',
  };
  expect(check(files)).toEqual([]);
});

test.each<[string, string, string]>([
  ["lib/hooks/a.ts", 'import { m } from "../model/m.js";', 'import "../model/m.js": hooks/ may'],
  ["lib/hooks/a.ts", 'type M = import("../model/m.js").M;', 'import "../model/m.js": hooks/ may'],
  ["lib/hooks/a.ts", 'const m = import("../cli/m.js");', 'import "../cli/m.js": hooks/ may'],
  ["lib/hooks/a.ts", 'import { x } from "../misc/x.js";', 'import "../misc/x.js": misc/ is no'],
  [
    "lib/cli/a.ts",
    'import { c } from "../model/model-core.js";',
    "enter lib/model by model-client, resolve-model, what lib/index.ts offers",
  ],
  ["lib/fetch/a.ts", 'import { s } from "../setup/s.js";', 'import "../setup/s.js": fetch/ may'],
  ["lib/hooks/a.ts", 'import { x } from "./x";', '"./x": end it in ".js"'],
  ["lib/hooks/a.ts", 'import { x } from "../index.js";', '"../index.js": a layer uses layers'],
  ["lib/hooks/a.ts", "export class A {}\nexport class B {}", "one exported class per file"],
  ["lib/hooks/a.ts", "export const x = await f();", "no top-level await"],
  ["lib/hooks/a.ts", "for await (const x of f()) g(x);", "no top-level await"],
  ["lib/hooks/a.ts", 'import build from "node-gyp-build";', "only lib/native loads the addon"],
  ["lib/hooks/a.ts", "//\n".repeat(400), "401 lines; the cap is 400"],
  ["lib/hooks/utils/a.ts", "", "no utils/"],
  ["lib/hooks/index.ts", "export const x = 1;", "only lib/ has an index.ts"],
  ["tests/a.mjs", 'import "../scripts/lint.mjs";', "scripts/ are run, not imported"],
  ["lib/index.ts", "export const x = 1;", "lib/index.ts only re-exports"],
  ["tests/a.test.ts", 'import { x } from "../lib/hooks/a.js";', "import from lib/index.js"],
  ["tests/native/a.test.ts", 'import "../../lib/hooks/a.js";', "import from lib/index.js"],
  ["bench/a.ts", 'import { x } from "../lib/native/load.js";', "import from lib/index.js"],
  ["native/kernels/a.cc", "#include <ATen/core/Tensor.h>", "kernels/ takes plain pointers and"],
  ["native/kernels/a.cc", "#include <c10/core/Device.h>", "kernels/ takes plain pointers and"],
  ["native/kernels/a.cu", '#include "base/aten.h"', "kernels/ takes plain pointers and"],
  ["native/kernels/a.cc", '#include "ops/rope.h"', 'include "ops/rope.h": kernels/ may use only'],
  ["native/ops/a.cc", '#include "model/block.h"', 'include "model/block.h": ops/ may use only'],
  ["native/ops/a.cc", '#include "a.h"', '"a.h": name it from native/'],
  ["native/ops/a.cc", "#include <napi.h>", "napi.h belongs in native/binding only"],
  ["native/ops/a.cc", "#include <cuda_runtime.h>", "cuda_runtime.h belongs in *.cu"],
  ["native/ops/a.cc", "#include <torch/torch.h>", "torch/torch.h costs seconds"],
  ["native/other/a.cc", "", "native/other/ is no layer"],
])("%s, case %#", (file, text, message) => {
  const found = check({ [file]: `${text}\n` });
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(message);
  expect(found[0]).toMatch(new RegExp(`^${file}:\\d+: `));
});

test("counts the files of lib/index.ts as doors", () => {
  const files = {
    "lib/index.ts": 'export { m } from "./model/m.js";\n',
    "lib/model/m.ts": "export const m = 1;\n",
    "lib/cli/a.ts": 'import { m } from "../model/m.js";\nm;\n',
  };
  expect(check(files)).toEqual([]);
});

test("names all files of a circle of imports, types included, except inside lib/tensor", () => {
  const circle = (folder: string) => ({
    [`lib/${folder}/a.ts`]: 'import { b } from "./b.js";\nexport const a = b;\n',
    [`lib/${folder}/b.ts`]: 'import { c } from "./c.js";\nexport const b = c;\n',
    [`lib/${folder}/c.ts`]: 'import type { a } from "./a.js";\nexport const c: typeof a = 1;\n',
    [`lib/${folder}/d.ts`]: 'import { a } from "./a.js";\na;\n',
  });
  expect(check(circle("tensor"))).toEqual([]);
  expect(check(circle("hooks"))).toEqual([
    "lib/hooks/a.ts:1: imports in a circle: lib/hooks/a.ts, lib/hooks/b.ts, lib/hooks/c.ts",
  ]);
});
