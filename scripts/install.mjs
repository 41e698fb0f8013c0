// npm's install step for the published package. Nothing is downloaded here: where a prebuilt core is
// there nothing is done; otherwise one is built if a libtorch is found, and if not, a line says how
// to go on. It never fails an installation: loading says precisely what is missing.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function hasCore(folder) {
  const path = join(root, folder);
  return existsSync(path) && readdirSync(path).some((name) => name.startsWith("libgemlens_core-"));
}

async function main() {
  // In a checkout `prepare` builds, after TypeScript.
  if (existsSync(join(root, "tsconfig.build.json"))) return;
  if (hasCore("prebuilds/linux-x64") || hasCore("build/Release")) return;
  const { buildNative } = await import("./build-native.mjs");
  const code = await buildNative();
  if (code !== 0) console.error("gemlens: not built yet. To go on: npx gemlens setup");
}

main().catch((error) => {
  console.error(`gemlens: not built yet (${error.message}). To go on: npx gemlens setup`);
});
