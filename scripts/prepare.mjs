// `npm install` in a checkout: TypeScript, then libtorch (found, or fetched into the cache folder),
// then the native core for it. `npm pack` and `npm publish` run it too: they need dist alone, and
// compile only what has changed since. Cores in the package come from `npm run prebuild`.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
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

/** Whether every module of lib/ has its newer counterpart in dist/, and dist/ holds no other. */
function isCompiled() {
  const modules = (folder, ending) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { recursive: true })
          .filter((name) => name.endsWith(ending))
          .map((name) => name.slice(0, -ending.length))
      : [];
  const sources = modules("lib", ".ts");
  const time = (path) => statSync(join(root, path)).mtimeMs;
  const config = Math.max(...["tsconfig.json", "tsconfig.build.json", "package.json"].map(time));
  const isNewer = (name) => {
    if (!existsSync(join(root, `dist/${name}.js`))) return false;
    return time(`dist/${name}.js`) >= Math.max(config, time(`lib/${name}.ts`));
  };
  return modules("dist", ".js").length === sources.length && sources.every(isNewer);
}

/** What a package needs of this: dist. */
function forPackage() {
  if (!existsSync(join(root, "prebuilds/linux-x64/gemlens.node"))) {
    console.error("gemlens: no prebuilds: the package's users need a compiler (npm run prebuild)");
  }
  return isCompiled() ? 0 : typescript();
}

async function main() {
  if (["pack", "publish"].includes(process.env.npm_command)) return forPackage();
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
