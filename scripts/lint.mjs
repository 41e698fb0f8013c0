// Checks format, types and layers in one command; every check runs even after one has failed.
//   --fix    rewrites files that the formatters can fix
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const fix = process.argv.includes("--fix");

function nativeFiles() {
  return readdirSync(join(root, "native"), { recursive: true })
    .filter((name) => /\.(h|cc|cu|cuh|c)$/.test(name))
    .map((name) => `native/${name}`);
}

// The pinned npm package has the binary, so that every machine formats the same.
const clangFormat = join(
  dirname(require.resolve("clang-format/package.json")),
  "bin/linux_x64/clang-format",
);

const node = process.execPath;
const checks = [
  [
    "biome",
    node,
    [
      require.resolve("@biomejs/biome/bin/biome"),
      "check",
      ...(fix ? ["--write"] : ["--error-on-warnings"]),
      ".",
    ],
  ],
  ["types", node, [require.resolve("typescript/bin/tsc"), "--noEmit"]],
  ["layers", node, ["scripts/check-layers.mjs"]],
  ["using", node, ["scripts/check-using.mjs"]],
  ["prose", node, ["scripts/check-prose.mjs"]],
  ["clang-format", clangFormat, [...(fix ? ["-i"] : ["--dry-run", "-Werror"]), ...nativeFiles()]],
];

const broken = [];
for (const [name, command, args] of checks) {
  const run = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (run.status !== 0) broken.push(name);
}
console.log(broken.length === 0 ? "lint: clean" : `lint: ${broken.join(", ")} failed`);
process.exitCode = broken.length === 0 ? 0 : 1;
