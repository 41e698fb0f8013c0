import { writeSync } from "node:fs";
import { getSystemErrorMap } from "node:util";

const stderr = 2;

/**
 * Ends the process if its output cannot be written: quietly with 0 if the reader has gone
 * (`gemlens tokens … | head -1`), otherwise with one line on stderr and 1. If stderr cannot be
 * written, its messages are dropped and the data continues.
 */
export function guardStreams(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    try {
      writeSync(stderr, `gemlens: can't write to standard output: ${reason(error)}\n`);
    } catch {
      // Standard error fails too, so only the exit code reports it.
    }
    process.exit(1);
  });
  process.stderr.on("error", () => {});
}

/** Describes a system error in words: `no space left on device (ENOSPC)`. */
export function reason({ errno, code, message }: NodeJS.ErrnoException): string {
  const [, text] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return text === undefined ? message : `${text} (${code})`;
}
