import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

const piece = 8 * 1024 * 1024;

/**
 * Writes to a temporary file next to `path`, then renames it, so that a reader never sees half a file.
 * Creates the folder. If `path` is a link, writes its target.
 *
 * @throws ARGUMENT if a folder, a device or a pipe is there
 */
export async function writeAtomically(
  given: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const path = await fileAt(given);
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The path to write: renaming would replace a link or a device itself. */
async function fileAt(path: string): Promise<string> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (found === undefined) return path;
  if (found.isFile()) return realpath(path);
  const got = found.isDirectory() ? "a folder" : "a device or a pipe";
  const message = sentence("save", "a file, or none yet,", path, got);
  throw new GemlensError("ARGUMENT", message, { file: path });
}

/** Appends `bytes` in pieces. */
export async function appendBytes(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(piece, bytes.length - at);
    at += (await file.write(bytes, at, length)).bytesWritten;
  }
}
