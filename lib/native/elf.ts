import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

const headerBytes = 64;
const segmentBytes = 56;
const loadedSegment = 1;

/**
 * Why a library must not be opened, worded to follow its name; undefined if it may be. A missing file
 * is left to the loader's own error.
 */
export function fileProblem(path: string): string | undefined {
  try {
    return existsSync(path) && isCutShort(path) ? "is cut short" : undefined;
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

/**
 * Whether a 64-bit ELF file ends before a segment that the loader maps: loading it would kill the
 * process with SIGBUS. Returns false for other files, which the loader itself refuses.
 *
 * @throws the file system's own error if the file can't be read
 */
function isCutShort(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const header = readAt(file, 0, headerBytes);
    if (header === undefined || header.readUInt32BE(0) !== 0x7f454c46) return false;
    const { size } = fstatSync(file);
    const start = header.readBigUInt64LE(0x20);
    if (start > BigInt(size)) return true;
    const table = readAt(file, Number(start), segmentBytes * header.readUInt16LE(0x38));
    if (table === undefined) return true;
    for (let at = 0; at < table.length; at += segmentBytes) {
      const end = table.readBigUInt64LE(at + 8) + table.readBigUInt64LE(at + 32);
      if (table.readUInt32LE(at) === loadedSegment && end > BigInt(size)) return true;
    }
    return false;
  } finally {
    closeSync(file);
  }
}

/** Returns undefined if the file ends earlier. */
function readAt(file: number, position: number, length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  return readSync(file, buffer, 0, length, position) === length ? buffer : undefined;
}
