import { show } from "../errors/show-value.js";
import type { FileReader } from "./file-reader.js";
import { refuse } from "./refuse.js";
import { widen, type ZipEntry } from "./zip-directory.js";

const localSignature = 0x04034b50;
const localSize = 30;
const descriptorSignature = 0x08074b50;

export const stored = 0;
export const deflated = 8;

const hasDescriptor = 1 << 3;
// Flags of unsupported members: encrypted, patch data, strong encryption, masked headers.
const refusedFlags = (1 << 0) | (1 << 5) | (1 << 6) | (1 << 13);

/** The span of a member's bytes in the archive, after its local header. */
export interface ZipSpan {
  readonly entry: ZipEntry;
  /** First byte of the member's (possibly compressed) data. */
  readonly dataStart: number;
  /** The end of the data and of the data descriptor, if there is one. */
  readonly end: number;
}

/**
 * Checks a member's local header and data descriptor against the central directory: name, method, flags
 * and sizes must agree, because readers differ in which of the two they use.
 */
export function locateMember(reader: FileReader, entry: ZipEntry): ZipSpan {
  const file = reader.path;
  const field = show(entry.name);
  if (entry.flags & refusedFlags)
    refuse(file, field, "a plain member", "an encrypted or patched one");
  if (entry.method !== stored && entry.method !== deflated) {
    refuse(file, field, "method 0 (stored) or 8 (deflated)", entry.method);
  }
  if (entry.method === stored && entry.size !== entry.compressedSize) {
    const got = `${entry.size} and ${entry.compressedSize}`;
    refuse(file, field, "equal sizes of a stored member", got);
  }
  const header = reader.read(entry.headerOffset, localSize, `${field} local header`);
  if (header.readUInt32LE(0) !== localSignature) {
    refuse(file, `${field} local header`, "its signature", "other bytes");
  }
  const nameLength = header.readUInt16LE(26);
  const extraLength = header.readUInt16LE(28);
  const rest = reader.read(entry.headerOffset + localSize, nameLength + extraLength, field);
  if (!rest.subarray(0, nameLength).equals(entry.nameBytes)) {
    const got = show(rest.toString("utf8", 0, nameLength));
    refuse(file, `${field} local header`, "the name that the directory has", got);
  }
  const method = header.readUInt16LE(8);
  if (method !== entry.method)
    refuse(file, `${field} local header`, `method ${entry.method}`, method);
  const flags = header.readUInt16LE(6);
  if ((flags ^ entry.flags) & (refusedFlags | hasDescriptor)) {
    refuse(file, `${field} local header`, `flags ${entry.flags}`, flags);
  }
  const dataStart = entry.headerOffset + localSize + nameLength + extraLength;
  const dataEnd = dataStart + entry.compressedSize;
  if (flags & hasDescriptor) {
    return { entry, dataStart, end: checkDescriptor(reader, entry, dataEnd) };
  }
  const [size, compressedSize] = widen(
    rest.subarray(nameLength),
    [header.readUInt32LE(22), header.readUInt32LE(18)],
    file,
    field,
  );
  if (size !== entry.size || compressedSize !== entry.compressedSize) {
    const want = `sizes ${entry.size} and ${entry.compressedSize}`;
    refuse(file, `${field} local header`, want, `${size} and ${compressedSize}`);
  }
  if (header.readUInt32LE(14) !== entry.crc) {
    refuse(file, `${field} local header`, "the checksum that the directory has", "another");
  }
  return { entry, dataStart, end: dataEnd };
}

/** Accepts a descriptor with or without a signature, with sizes of 4 or 8 bytes. */
function checkDescriptor(reader: FileReader, entry: ZipEntry, at: number): number {
  const available = Math.min(24, reader.size - at);
  const bytes = reader.read(at, Math.max(available, 0), `${show(entry.name)} data descriptor`);
  for (const skip of [4, 0]) {
    if (skip && (bytes.length < 4 || bytes.readUInt32LE(0) !== descriptorSignature)) continue;
    for (const width of [8, 4]) {
      const length = skip + 4 + 2 * width;
      if (length > bytes.length || bytes.readUInt32LE(skip) !== entry.crc) continue;
      const number = (from: number): number =>
        width === 8 ? Number(bytes.readBigUInt64LE(from)) : bytes.readUInt32LE(from);
      const [compressed, size] = [number(skip + 4), number(skip + 4 + width)];
      if (compressed === entry.compressedSize && size === entry.size) return at + length;
    }
  }
  const field = `${show(entry.name)} data descriptor`;
  return refuse(reader.path, field, "the sizes and checksum that the directory has", "others");
}
