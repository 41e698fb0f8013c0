// Makes prebuilds/linux-x64 with prebuildify: the loader and a core for each torch minor, on any
// system with a compiler. They are bound to glibc 2.28's symbols. An artefact that needs a newer
// symbol is refused, and then prebuilds/ stays unchanged.
//   --torch 2.13,2.15   the minors; each one's libtorch is fetched unless the cache folder has it
//   --cuda              builds the CUDA plugin too; nvcc is fetched unless there is one (271 MB)
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { libtorchModule } from "./compiled-module.mjs";
import { checkFile, floors } from "./prebuild/symbols.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const staging = join(root, ".cmake-build/prebuild");

function parse(args, defaultVersion) {
  const { values } = parseArgs({
    args,
    options: {
      torch: { type: "string", default: defaultVersion.replace(/\.\d+$/, "") },
      cuda: { type: "boolean", default: false },
    },
  });
  const minors = values.torch.split(",");
  const wrong = minors.find((minor) => !/^\d+\.\d+$/.test(minor));
  if (wrong !== undefined) throw new Error(`--torch: expected minors like 2.15, got ${wrong}`);
  return { minors, cuda: values.cuda };
}

async function libtorchFor(minor) {
  const { fetchWithProgress } = await import(pathToFileURL(join(root, "dist/cli/setup.js")).href);
  return fetchWithProgress({ version: `${minor}.0` });
}

function prebuildify(libtorch, cuda) {
  const bin = join(dirname(require.resolve("prebuildify/package.json")), "bin.js");
  const args = ["--napi", "--strip", "--name", "gemlens", "--cwd", staging];
  const run = spawnSync(process.execPath, [bin, ...args], {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      PREBUILD_NODE_GYP: join(root, "scripts/prebuild/node-gyp.mjs"),
      GEMLENS_PREBUILD_OPTIONS: JSON.stringify({ libtorch, cuda }),
    },
  });
  return run.status ?? 1;
}

function isRefused(folder, name) {
  const { newest, tooNew } = checkFile(join(folder, name));
  const needs = Object.entries(newest).map(([family, version]) => `${family} ${version}`);
  const size = `${(statSync(join(folder, name)).size / 1e6).toFixed(2)} MB`;
  console.log(`${name}: ${size}, needs ${needs.join(", ")}: ${verdict(tooNew)}`);
  return tooNew.length > 0;
}

function verdict(tooNew) {
  if (tooNew.length === 0) return `glibc ${floors.GLIBC} will do`;
  return `newer than glibc ${floors.GLIBC}'s systems have: ${tooNew.join(" ")}`;
}

async function main(args) {
  const { defaultTorchVersion } = await libtorchModule();
  const { minors, cuda } = parse(args, defaultTorchVersion);
  const libtorch = [];
  for (const minor of minors) libtorch.push(await libtorchFor(minor));

  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  if (prebuildify(libtorch, cuda) !== 0) return 1;

  const built = join(staging, "prebuilds/linux-x64");
  const refused = readdirSync(built).filter((name) => isRefused(built, name));
  if (refused.length > 0) {
    console.error("prebuild: refused. A symbol with an older version belongs in old_glibc.cmake");
    return 1;
  }
  const target = join(root, "prebuilds/linux-x64");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  renameSync(built, target);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`prebuild: ${error.message}`);
    process.exitCode = 1;
  },
);
