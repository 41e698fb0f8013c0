import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** The package's folder, with its native core, package.json and the bundled model. */
export const packageRoot = findRoot(import.meta.url);

function findRoot(url: string | undefined): string {
  // A CommonJS bundle has no URL; any other bundle has the bundle's own.
  const root = url?.startsWith("file:") ? resolve(dirname(fileURLToPath(url)), "../..") : undefined;
  if (root !== undefined && nameIn(root) === "gemlens") return root;
  throw new GemlensError(
    "NATIVE_LOAD",
    [
      sentence(
        "load",
        "gemlens' own files beside its code",
        null,
        `none in ${root ?? "a bundle"}`,
        ": a bundler has taken the code into a bundle",
      ),
      "To fix it, mark gemlens as external (docs/bundlers.md):",
      "  - esbuild: --external:gemlens, or --packages=external",
      '  - Next: serverExternalPackages: ["gemlens"]',
      '  - webpack: externals: { gemlens: "import gemlens" }',
      '  - Vite: ssr.external: ["gemlens"]; Rollup: external: ["gemlens"]',
    ].join("\n"),
    { root, remedy: "mark gemlens as external" },
  );
}

function nameIn(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: unknown })
      .name;
  } catch {
    return undefined;
  }
}
