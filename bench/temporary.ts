import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

const folders = new Set<string>();

/**
 * A new folder, removed at exit at the latest, as checkpoints are large. A signal only counts as an
 * exit after `exitOnSignals()`.
 */
export function temporaryFolder(parent = tmpdir()): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(parent, "gemlens-bench-"));
  folders.add(folder);
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
      folders.delete(folder);
    },
  };
}

process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** For a program's main(): Ctrl-C and similar signals exit with the shell's code for them. */
export function exitOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}
