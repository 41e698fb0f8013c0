// Tests that gemlens in a bundle names the remedy, and that it runs if marked as external.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newFolder } from "../support/folder.js";

const root = join(import.meta.dirname, "../..");
const require = createRequire(import.meta.url);
const folder = newFolder();
mkdirSync(join(folder, "node_modules"));
symlinkSync(root, join(folder, "node_modules/gemlens"));
writeFileSync(
  join(folder, "app.mjs"),
  `import { HookedTransformer } from "gemlens";
  HookedTransformer.fromPretrained("tiny", { dtype: "float32" }).then(async (model) => {
    console.log(await model.loss("One sunny day") > 0);
    await model.dispose();
  });`,
);

/** Bundles the application with esbuild and runs the bundle in a folder without gemlens' files. */
function bundled(name: string, ...options: string[]) {
  const file = join(folder, "out", name);
  const bundle = ["--bundle", "--platform=node", "--log-level=error", `--outfile=${file}`];
  const binary = require.resolve("@esbuild/linux-x64/bin/esbuild");
  const built = spawnSync(binary, [join(folder, "app.mjs"), ...bundle, ...options], {
    cwd: folder,
  });
  expect(built.stderr.toString()).toBe("");
  return spawnSync(process.execPath, [file], { encoding: "utf8", cwd: folder });
}

describe("an esbuild bundle", () => {
  test.each([
    ["a module", "app.mjs", "--format=esm"],
    ["CommonJS", "app.cjs", "--format=cjs"],
    ["a module, minified", "small.mjs", "--format=esm", "--minify"],
  ])("as %s says to mark gemlens as external", (_, name, ...options) => {
    const { stderr, status } = bundled(name, ...options);
    expect(status).toBe(1);
    expect(stderr).toContain("mark gemlens as external");
    expect(stderr).toContain("NATIVE_LOAD");
  });

  test.each([["--external:gemlens"], ["--packages=external"]])("with %s runs", (option) => {
    const { stdout } = bundled("external.mjs", "--format=esm", option);
    expect(stdout).toBe("true\n");
  });
});
