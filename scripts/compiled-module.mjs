import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** The module that chooses the libtorch and the cache folder. */
export function libtorchModule() {
  return compiledModule("native/libtorch.js");
}

/** A module of lib/, compiled first in a checkout. */
export async function compiledModule(path) {
  const compiled = join(root, "dist", path);
  if (!existsSync(compiled) && existsSync(join(root, "tsconfig.build.json"))) {
    const tsc = require.resolve("typescript/bin/tsc");
    // Messages go to stderr, because the caller may be a command that prints data on stdout.
    const stdio = ["ignore", 2, 2];
    spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio });
  }
  return import(pathToFileURL(compiled).href);
}
