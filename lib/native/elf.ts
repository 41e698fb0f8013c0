import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

const headerBytes = 64;
const segmentBytes = 56;
const loadedSegment = 1;

/**
 * Why a library must not be opened, in words that follow its name; undefined where nothing speaks
 * against it, also where it is not there: the loader says that itself.
 */
export function fileProblem(path: string): string | undefined {
  try {
    return existsSync(path) && isCutShort(path) ? "is cut short" : undefined;
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

/**
 * Whether a 64-bit ELF file ends before a part of it that is to be mapped: loading such a library does
 * not fail but kills the process with SIGBUS. False for what is no ELF file: the loader says that itself.
 *
 * @throws what the file system says where it cannot be read
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

/** undefined where the file ends before. */
function readAt(file: number, position: number, length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  return readSync(file, buffer, 0, length, position) === length ? buffer : undefined;
}
