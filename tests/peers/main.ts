// The Hugging Face cache shared with Python's huggingface_hub, both ways, against the loopback hub.
// Installs the Python packages into the cache folder; not part of CI. Ends with "N passed, N failed".
//   --version 1.31.0,2.4.0    these versions of huggingface_hub
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { LoopbackHub } from "../hub/loopback-hub.js";
import { cases, type Peer } from "./cases.js";
import { callPython, pythonWith } from "./python.js";

const newest = ["1.31.0", "2.4.0"];

async function runCases(
  version: string,
  python: string,
): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  for (const [name, run] of Object.entries(cases)) {
    const home = mkdtempSync(join(tmpdir(), "gemlens-peer-"));
    const hub = await LoopbackHub.start();
    const base = { HF_HOME: home, HF_ENDPOINT: hub.endpoint };
    const peer: Peer = {
      hub,
      cache: join(home, "hub"),
      call: (request, env = {}) => callPython(python, request, { ...base, ...env }),
    };
    Object.assign(process.env, base);
    try {
      await run(peer);
      passed++;
      console.error(`huggingface_hub ${version}: ${name}: passed`);
    } catch (error) {
      failed++;
      console.error(`huggingface_hub ${version}: ${name}: FAILED`, error);
    } finally {
      await hub.close();
      rmSync(home, { recursive: true, force: true });
    }
  }
  return { passed, failed };
}

async function main(args: readonly string[]): Promise<void> {
  const at = args.indexOf("--version");
  const versions = at === -1 ? newest : (args[at + 1] ?? "").split(",");
  const cache = process.env["GEMLENS_CACHE"] ?? join(homedir(), ".cache/gemlens");
  const results: { passed: number; failed: number }[] = [];
  for (const version of versions) results.push(await runCases(version, pythonWith(cache, version)));
  const sum = (key: "passed" | "failed") => results.reduce((total, one) => total + one[key], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
  process.exitCode = sum("failed") === 0 ? 0 : 1;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
