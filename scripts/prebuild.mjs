// prebuilds/linux-x64 from build/Release by prebuildify: the loader, every core built there so far,
// and the CUDA plugin. Refuses artefacts that need a newer glibc than the package promises.
//   --any-glibc    for use on this machine only
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const floor = "2.28";

function newestGlibc(file) {
  const run = spawnSync("objdump", ["-T", file], { encoding: "utf8", maxBuffer: 1e9 });
  if (run.status !== 0) throw new Error(`prebuild: objdump cannot read ${file}`);
  const versions = [...run.stdout.matchAll(/GLIBC_(\d+\.\d+)/g)].map((match) => match[1]);
  return versions.reduce((a, b) => (compare(a, b) < 0 ? b : a), "0.0");
}

function compare(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

function main(args) {
  const prebuildify = join(dirname(require.resolve("prebuildify/package.json")), "bin.js");
  const run = spawnSync(process.execPath, [prebuildify, "--napi", "--strip"], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PREBUILD_NODE_GYP: join(root, "scripts/node-gyp.mjs") },
  });
  if (run.status !== 0) return 1;
  const folder = join(root, "prebuilds/linux-x64");
  let tooNew = 0;
  for (const name of readdirSync(folder)) {
    const glibc = newestGlibc(join(folder, name));
    const isTooNew = compare(glibc, floor) > 0;
    if (isTooNew) tooNew += 1;
    console.log(`${name}: needs glibc ${glibc}${isTooNew ? `, newer than ${floor}` : ""}`);
  }
  if (tooNew === 0 || args.includes("--any-glibc")) return 0;
  console.error(`prebuild: build in a manylinux_2_28 image, or pass --any-glibc`);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
