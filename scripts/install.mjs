// npm's install step for the published package. It downloads nothing. If there is a prebuilt core
// it does nothing; otherwise it builds one if it finds a libtorch, and if not, prints how to
// continue. It never fails an installation: loading reports exactly what is missing.
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
