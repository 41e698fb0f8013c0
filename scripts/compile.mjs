// Compiles TypeScript to dist if the sources are newer.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

function tsc(...options) {
  const bin = require.resolve("typescript/bin/tsc");
  const args = [bin, "-p", "tsconfig.build.json", ...options];
  // The caller may be a command that prints data on stdout.
  const run = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", 2, 2] });
  return run.status ?? 1;
}

/** Compiles everything into an empty dist, and returns tsc's exit code. */
export function compile() {
  // The output of a removed file of lib/ must not stay in the package.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  return tsc();
}

/** Whether every module of lib/ has its newer counterpart in dist/, and dist/ holds no other. */
export function isCompiled() {
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

/** Updates dist, and compiles only the changes if that is enough. */
export function compileChanges() {
  if (isCompiled()) return 0;
  if (!existsSync(join(root, "node_modules/typescript"))) {
    // A copy without the compiler (scripts/gpu/pack.mjs) has meaningless file times.
    console.error("gemlens: no typescript here: the tests run dist as it was packed");
    return 0;
  }
  // The build information must stay outside dist, which is packed.
  const code = tsc("--incremental", "--tsBuildInfoFile", "build/dist.tsbuildinfo");
  // tsc does not rewrite files that the build information calls unchanged, so they stay older.
  return code !== 0 || isCompiled() ? code : compile();
}
