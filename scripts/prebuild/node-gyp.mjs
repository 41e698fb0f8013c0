#!/usr/bin/env node
// prebuildify runs this instead of node-gyp, in the staging folder. It builds a core for each
// libtorch of GEMLENS_PREBUILD_OPTIONS (a JSON list), and with the last one the CUDA plugin.
import { join } from "node:path";
import { buildNative } from "../build-native.mjs";

async function main() {
  const { libtorch, cuda } = JSON.parse(process.env.GEMLENS_PREBUILD_OPTIONS);
  for (const [i, dir] of libtorch.entries()) {
    const plugin = cuda && i === libtorch.length - 1 ? "--cuda" : "--no-cuda";
    const out = join(process.cwd(), "build/Release");
    const code = await buildNative(["--libtorch", dir, "--old-glibc", plugin, "--out", out]);
    if (code !== 0) return code;
  }
  return 0;
}

main().then((code) => {
  process.exitCode = code;
});
