// Packs all files that a GPU machine without Node and without a network needs to run the tests and
// the bench, into .gpu/: a Node binary, the imported packages, the compiled TypeScript, and a core
// with the CUDA plugin for that machine's torch. scripts/gpu/run.sh uses it.
//
//     node scripts/gpu/pack.mjs [--torch 2.11.0] [--node 20] [--limit 60]
//
// Everything has to be copied there, so more than --limit MiB, tracked files included, is refused.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileChanges } from "../compile.mjs";
import { libtorchModule } from "../compiled-module.mjs";
import { nodeBinary } from "../node-binary.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const out = join(root, ".gpu");

// Packages that build, format and document stay here: they are most of node_modules.
const leftOut = [
  "@biomejs",
  "@shikijs",
  "@types",
  "async",
  "clang-format",
  "cmake-js",
  "lunr",
  "markdown-it",
  "prebuildify",
  "tar",
  "typedoc",
  "typescript",
];

function run(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (done.status !== 0) throw new Error(`gpu: ${program} ${args.join(" ")} failed`);
}

async function core(version) {
  const folder = join(out, "core");
  const { cachedLibtorch } = await libtorchModule();
  run(process.execPath, ["dist/cli/main.js", "setup", "--torch", version]);
  const libtorch = join(cachedLibtorch(version), "torch");
  run(process.execPath, [
    "scripts/build-native.mjs",
    ...["--libtorch", libtorch, "--cuda", "--out", folder],
  ]);
  for (const name of readdirSync(folder)) run("strip", ["--strip-unneeded", join(folder, name)]);
}

async function node(major) {
  const binary = join(out, "node");
  copyFileSync(await nodeBinary(major), binary);
  run("strip", [binary]);
  run("xz", ["-T0", "-9", "-f", binary]);
}

function packages() {
  if (compileChanges() !== 0) throw new Error("gpu: lib does not compile");
  const excluded = leftOut.map((name) => `--exclude=node_modules/${name}`);
  const pack = (name, args) => run("tar", ["-I", "xz -T0 -9", "-cf", join(out, name), ...args]);
  pack("packages.tar.xz", [...excluded, "node_modules"]);
  pack("dist.tar.xz", ["dist"]);
}

function bytesOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

async function main() {
  const { values } = parseArgs({
    options: {
      torch: { type: "string", default: "2.11.0" },
      node: { type: "string", default: "20" },
      limit: { type: "string", default: "60" },
    },
  });
  const limit = Number(values.limit);
  if (!(limit > 0)) throw new Error(`gpu: --limit: expected MiB, got ${values.limit}`);
  mkdirSync(out, { recursive: true });
  run("npm", ["run", "--silent", "build:ts"]);
  await core(values.torch);
  await node(values.node);
  packages();
  const describe = ["describe", "--always", "--dirty", "--exclude=*"];
  const commit = execFileSync("git", describe, { cwd: root });
  writeFileSync(join(out, "commit"), commit);
  const tracked = execFileSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    {
      cwd: root,
      encoding: "utf8",
    },
  );
  const files = tracked.split("\0").filter(Boolean);
  const total = bytesOf(out) + files.reduce((sum, file) => sum + bytesOf(join(root, file)), 0);
  console.log(
    `${(total / 2 ** 20).toFixed(1)} MiB travel, ${(bytesOf(out) / 2 ** 20).toFixed(1)} of it .gpu`,
  );
  if (total > limit * 2 ** 20) {
    throw new Error(`gpu: expected at most ${limit} MiB`);
  }
}

main();
