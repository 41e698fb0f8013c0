import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { Caller } from "./caller.js";

/** @throws GemlensError `DOWNLOAD` if the disk of `folder` has fewer than `bytes` left */
export function checkSpace(caller: Caller, folder: string, bytes: number): void {
  const free = freeBytes(folder);
  if (free < bytes) throw diskFull(caller, folder, `${size(bytes)} free`, size(free), undefined);
}

/**
 * Translates the error of a failed write (full disk, quota, permission); undefined for any other error.
 * The message does not name the data.
 */
export function writeProblem(
  caller: Caller,
  folder: string,
  error: unknown,
): GemlensError | undefined {
  if (!isSystemError(error)) return undefined;
  if (error.code === "ENOSPC") {
    return diskFull(
      caller,
      folder,
      "room to write",
      `a full disk (${size(freeBytes(folder))} left)`,
      error,
    );
  }
  if (error.code === "EDQUOT") {
    return diskFull(caller, folder, "room to write", "a quota that is used up", error);
  }
  return new GemlensError(
    "DOWNLOAD",
    sentence(caller.name, `to write to ${folder}`, null, error.message),
    { folder },
    error,
  );
}

/** Whether an error comes from the file system rather than from a file's contents. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  const { syscall, code } = error as NodeJS.ErrnoException;
  return error instanceof Error && typeof syscall === "string" && /^E[A-Z0-9]+$/.test(code ?? "");
}

function diskFull(
  { name, moreRoom }: Caller,
  folder: string,
  expected: string,
  got: string,
  cause: unknown,
): GemlensError {
  const message = sentence(
    name,
    `${expected} in ${folder}`,
    null,
    got,
    `: make room, or ${moreRoom}; running it again continues`,
  );
  return new GemlensError("DOWNLOAD", message, { folder }, cause);
}

function freeBytes(folder: string): number {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return bavail * bsize;
}

function size(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
