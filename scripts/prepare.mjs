// Runs at `npm install` in a checkout: compiles TypeScript, finds libtorch or fetches it into the
// cache folder, and builds the native core for it. `npm pack` and `npm publish` run it, too: they
// need only dist, and compile only changes. `npm run prebuild` makes the package's cores.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildNative } from "./build-native.mjs";
import { compile, isCompiled } from "./compile.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A package needs only dist from this. */
function forPackage() {
  if (!existsSync(join(root, "prebuilds/linux-x64/gemlens.node"))) {
    console.error("gemlens: no prebuilds: the package's users need a compiler (npm run prebuild)");
  }
  return isCompiled() ? 0 : compile();
}

async function main() {
  if (["pack", "publish"].includes(process.env.npm_command)) return forPackage();
  const compiled = compile();
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
