// Tests the package as its users get it, each case in an environment isolated from this machine.
// Packs it, then runs the cases one after the other. Needs prebuilds/ (npm run prebuild) and a
// network for npm and pip; the cases of full disks need root, the one without network needs
// namespaces.
//   --only CASE,CASE   only these
//   --list             prints their names
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { makeArchive } from "./archive.mjs";
import { applicationCases } from "./cases/application.mjs";
import { installCases } from "./cases/install.mjs";
import { setupCases } from "./cases/setup.mjs";
import { diskCases } from "./cases/setup-disk.mjs";
import { ended } from "./expect.mjs";
import { cleanUp, makeSandbox, removeSandboxes, run } from "./sandbox.mjs";
import { install, pack } from "./tarball.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const cases = { ...installCases, ...applicationCases, ...setupCases, ...diskCases };

function once(make) {
  let made;
  return () => {
    made ??= make();
    return made;
  };
}

/** Shared by the cases; each part is made at its first use. */
async function makeContext(folder) {
  // dist may be outdated.
  ended(await run("npm", ["run", "build:ts"], { cwd: root }), 0, "npm run build:ts");
  const packed = await pack(root, folder);
  const from = (path) => import(pathToFileURL(join(root, "dist", path)).href);
  const { defaultTorchVersion } = await from("native/libtorch.js");
  const { fetchWithProgress } = await from("cli/setup.js");
  const torch = await fetchWithProgress({});
  const archive = once(async () => {
    const path = join(folder, "libtorch.zip");
    await makeArchive(torch, path);
    return path;
  });
  const installed = once(async () => {
    const sandbox = makeSandbox();
    ended(await install(sandbox, packed.path), 0, "npm install");
    return sandbox;
  });
  return { package: packed, libtorch: { torch, version: defaultTorchVersion }, archive, installed };
}

async function runCase(name, context) {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(0)} s`;
  try {
    const what = await cases[name](context);
    if (typeof what === "string") console.log(`ok    ${name} (${seconds()}): ${what}`);
    else console.log(`skip  ${name}: ${what.skipped}`);
    return typeof what === "string" ? "ok" : "skipped";
  } catch (error) {
    console.log(`FAIL  ${name} (${seconds()}): ${error.message}`);
    return "failed";
  } finally {
    cleanUp();
  }
}

async function main() {
  const { values } = parseArgs({
    options: { only: { type: "string" }, list: { type: "boolean", default: false } },
  });
  if (values.list) return console.log(Object.keys(cases).join("\n"));
  const names = values.only?.split(",") ?? Object.keys(cases);
  const unknown = names.find((name) => cases[name] === undefined);
  if (unknown !== undefined) throw new Error(`no case ${unknown}; see --list`);
  if (!existsSync(join(root, "prebuilds/linux-x64/gemlens.node"))) {
    throw new Error("no prebuilds: run npm run prebuild first");
  }
  const folder = mkdtempSync(join(tmpdir(), "gemlens-test-package-"));
  const count = { ok: 0, failed: 0, skipped: 0 };
  try {
    const context = await makeContext(folder);
    for (const name of names) count[await runCase(name, context)] += 1;
  } finally {
    removeSandboxes();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${count.ok} ok, ${count.failed} failed, ${count.skipped} skipped`);
  process.exitCode = count.failed === 0 ? 0 : 1;
}

main().catch((error) => {
  removeSandboxes();
  console.error(`test-package: ${error.message}`);
  process.exitCode = 1;
});
