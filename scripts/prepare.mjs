// `npm install` in a checkout: TypeScript, then libtorch (found, or fetched into the cache folder),
// then the native core for it.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildNative } from "./build-native.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function typescript() {
  // A file that is gone from lib/ must not live on in the package.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const tsc = require.resolve("typescript/bin/tsc");
  const run = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  return run.status ?? 1;
}

async function main() {
  const compiled = typescript();
  if (compiled !== 0) return compiled;
  const from = (path) => import(pathToFileURL(join(root, "dist", path)).href);
  const { libtorchForBuild } = await from("native/libtorch.js");
  if (libtorchForBuild().found === undefined) {
    const { fetchWithProgress } = await from("cli/setup.js");
    await fetchWithProgress({});
  }
  return buildNative();
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`gemlens: ${error.message}`);
    process.exitCode = 1;
  },
);
