import { writeSync } from "node:fs";
import { getSystemErrorMap } from "node:util";

const stderr = 2;

/**
 * Ends the process if its output cannot be written: quietly with 0 if the reader has gone
 * (`gemlens tokens … | head -1`), otherwise with one line on stderr and 1. Remarks that cannot be
 * written are dropped, and the data goes on.
 */
export function guardStreams(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    try {
      writeSync(stderr, `gemlens: can't write to standard output: ${reason(error)}\n`);
    } catch {
      // The exit code has to do.
    }
    process.exit(1);
  });
  process.stderr.on("error", () => {});
}

/** `no space left on device (ENOSPC)`. */
export function reason({ errno, code, message }: NodeJS.ErrnoException): string {
  const [, text] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return text === undefined ? message : `${text} (${code})`;
}
