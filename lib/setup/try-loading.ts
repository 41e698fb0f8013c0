// Libraries are tried in a child process: one may crash while it loads, and a loaded one can't be
// unloaded.
import { spawnSync } from "node:child_process";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { libtorchCandidates } from "../native/libtorch.js";

/** Why a libtorch does not load; undefined if it does. */
export function loadProblem(torch: string): string | undefined {
  const [candidate] = libtorchCandidates({ LIBTORCH: torch });
  if (candidate?.problem !== undefined) return candidate.problem;
  const library = join(torch, "lib", "libtorch_cpu.so");
  // dlopen succeeds before Node reports that the library is not an addon.
  const script = `
    try { process.dlopen({ exports: {} }, process.argv[1]); }
    catch (error) { if (!/did not self-register/.test(error.message)) { console.error(error.message); process.exit(1); } }`;
  const run = spawnSync(process.execPath, ["-e", script, library], { encoding: "utf8" });
  if (run.status === 0) return undefined;
  return run.stderr.trim().split("\n").at(-1) || `it ended with ${run.signal ?? run.status}`;
}

/** Why this libtorch and its core do not load together; undefined if they do. */
export function coreLoadProblem(torch: string): string | undefined {
  const self = fileURLToPath(import.meta.url);
  const load = join(dirname(self), `../native/load${extname(self)}`);
  const script = `
    const { loadWithReport } = await import(process.argv[1]);
    let attempts;
    try {
      const { report } = loadWithReport();
      attempts = report.libtorch.source === "LIBTORCH" ? [] : report.attempts;
    } catch (error) {
      attempts = error.fields?.attempts ?? [String(error)];
    }
    console.log(attempts[0] ?? "");`;
  const args = [...process.execArgv, "--input-type=module", "-e", script, load];
  const env = { ...process.env, LIBTORCH: torch };
  const run = spawnSync(process.execPath, args, { encoding: "utf8", env });
  if (run.status === 0) return run.stdout.trim() || undefined;
  return (
    run.stderr.trim().split("\n").at(-1) || `loading it ended with ${run.signal ?? run.status}`
  );
}
