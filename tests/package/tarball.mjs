// The package as `npm pack` makes it, and installed copies of it.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ended } from "./expect.mjs";
import { run } from "./sandbox.mjs";

/** Packs the folder `from` into `into`; returns { path, files, bytes }. */
export async function pack(from, into) {
  mkdirSync(into, { recursive: true });
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", into];
  const result = await run("npm", args, { cwd: from });
  ended(result, 0, "npm pack");
  const [{ filename, files, size }] = JSON.parse(result.stdout);
  return { path: join(into, filename), files: files.map((file) => file.path), bytes: size };
}

/** The same package without the paths in `unwanted`. */
export async function packWithout(tarball, unwanted, sandbox) {
  const folder = sandbox.at("repack");
  mkdirSync(folder, { recursive: true });
  ended(await run("tar", ["-xzf", tarball, "-C", folder]), 0, "tar");
  const root = join(folder, "package");
  for (const path of unwanted) rmSync(join(root, path), { recursive: true, force: true });
  return (await pack(root, sandbox.at("repacked"))).path;
}

/** Runs `npm i TARBALL` in the sandbox's empty app folder. */
export async function install(sandbox, tarball, args = []) {
  const app = sandbox.at("app");
  if (readdirSync(app).length === 0) {
    writeFileSync(join(app, "package.json"), '{ "name": "app", "private": true }\n');
  }
  return run("npm", ["install", "--foreground-scripts", ...args, tarball], {
    cwd: app,
    env: sandbox.env,
  });
}

export function npx(sandbox, ...args) {
  return run("npx", args, { cwd: sandbox.at("app"), env: sandbox.env });
}
