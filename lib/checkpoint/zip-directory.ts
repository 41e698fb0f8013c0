import { show } from "../errors/show-value.js";
import type { FileReader } from "./file-reader.js";
import { refuse } from "./refuse.js";

// Signatures and fixed sizes of records, from PKWARE APPNOTE 6.3.10.
const endSignature = 0x06054b50;
const endSize = 22;
const end64Signature = 0x06064b50;
const end64Size = 56;
const locatorSignature = 0x07064b50;
const locatorSize = 20;
const centralSignature = 0x02014b50;
const centralSize = 46;

const maxMembers = 1000;
const maxDirectoryBytes = 16 * 1024 * 1024;

/** A member's entry in the central directory. */
export interface ZipEntry {
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

interface Directory {
  offset: number;
  size: number;
  count: number;
}

function safe(value: bigint, file: string, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(file, field, "less than 2^53", String(value));
  return Number(value);
}

/** Finds the end record, whose comment must end exactly at the end of the file. */
function findEnd(reader: FileReader): { record: Buffer; at: number } {
  const { path, size } = reader;
  const tailStart = Math.max(0, size - endSize - 0xffff);
  const tail = reader.read(tailStart, size - tailStart, "zip end record");
  for (let i = tail.length - endSize; i >= 0; i--) {
    if (tail.readUInt32LE(i) !== endSignature) continue;
    if (i + endSize + tail.readUInt16LE(i + 20) !== tail.length) continue;
    return { record: tail.subarray(i, i + endSize), at: tailStart + i };
  }
  return refuse(
    path,
    "zip end record",
    "a record at the end of the file",
    "none (not a zip, or cut short)",
  );
}

function findDirectory(reader: FileReader): Directory {
  const file = reader.path;
  const { record, at } = findEnd(reader);
  if (record.readUInt16LE(4) !== 0 || record.readUInt16LE(6) !== 0) {
    refuse(file, "zip end record", "an archive on one disk", "several");
  }
  const short: Directory = {
    offset: record.readUInt32LE(16),
    size: record.readUInt32LE(12),
    count: record.readUInt16LE(10),
  };
  if (record.readUInt16LE(8) !== short.count) {
    refuse(
      file,
      "zip end record",
      "equal member counts",
      show([record.readUInt16LE(8), short.count]),
    );
  }
  const long = findDirectory64(reader, at);
  if (
    !long &&
    (short.offset === 0xffffffff || short.size === 0xffffffff || short.count === 0xffff)
  ) {
    refuse(file, "zip64 end record", "a record (sizes are 0xffffffff)", "none");
  }
  if (long) {
    const agrees =
      (short.offset === 0xffffffff || short.offset === long.offset) &&
      (short.size === 0xffffffff || short.size === long.size) &&
      (short.count === 0xffff || short.count === long.count);
    if (!agrees)
      refuse(file, "zip64 end record", "the same values as the end record", show({ short, long }));
  }
  const directory = long ?? short;
  const directoryEnd = directory.offset + directory.size;
  const limit = long ? long.at : at;
  if (directoryEnd !== limit) {
    refuse(
      file,
      "zip directory",
      `an end at ${limit}`,
      `${directoryEnd} (sizes that do not add up)`,
    );
  }
  return directory;
}

function findDirectory64(reader: FileReader, endAt: number): (Directory & { at: number }) | null {
  const file = reader.path;
  if (endAt < locatorSize) return null;
  const locator = reader.read(endAt - locatorSize, locatorSize, "zip64 locator");
  if (locator.readUInt32LE(0) !== locatorSignature) return null;
  const at = safe(locator.readBigUInt64LE(8), file, "zip64 locator");
  if (locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1) {
    refuse(file, "zip64 locator", "an archive on one disk", "several");
  }
  const record = reader.read(at, end64Size, "zip64 end record");
  if (record.readUInt32LE(0) !== end64Signature) {
    refuse(file, "zip64 end record", "its signature", "other bytes");
  }
  const length = safe(record.readBigUInt64LE(4), file, "zip64 end record") + 12;
  if (at + length !== endAt - locatorSize) {
    refuse(file, "zip64 end record", `${endAt - locatorSize - at} bytes`, length);
  }
  if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0) {
    refuse(file, "zip64 end record", "an archive on one disk", "several");
  }
  if (record.readBigUInt64LE(24) !== record.readBigUInt64LE(32)) {
    refuse(file, "zip64 end record", "equal member counts", "different ones");
  }
  return {
    at,
    count: safe(record.readBigUInt64LE(32), file, "zip64 member count"),
    size: safe(record.readBigUInt64LE(40), file, "zip64 directory size"),
    offset: safe(record.readBigUInt64LE(48), file, "zip64 directory offset"),
  };
}

/**
 * Replaces each 32-bit value that is 0xffffffff by the next 64-bit value of the zip64 extra field (id 1).
 */
export function widen(extra: Buffer, values: number[], file: string, member: string): number[] {
  const field = `${member} zip64 field`;
  if (!values.includes(0xffffffff)) return values;
  for (let at = 0; at + 4 <= extra.length; ) {
    const id = extra.readUInt16LE(at);
    const length = extra.readUInt16LE(at + 2);
    if (at + 4 + length > extra.length) refuse(file, field, "extra fields that fit", "longer ones");
    if (id === 1) {
      let from = at + 4;
      return values.map((value) => {
        if (value !== 0xffffffff) return value;
        if (from + 8 > at + 4 + length) return refuse(file, field, "8 bytes per value", "fewer");
        from += 8;
        return safe(extra.readBigUInt64LE(from - 8), file, field);
      });
    }
    at += 4 + length;
  }
  return refuse(file, field, "a field (sizes are 0xffffffff)", "none");
}

/** Reads and checks the whole central directory of a zip archive, zip64 included. */
export function readZipDirectory(reader: FileReader): { entries: ZipEntry[]; start: number } {
  const file = reader.path;
  const directory = findDirectory(reader);
  if (directory.count > maxMembers) {
    refuse(file, "zip directory", `at most ${maxMembers} members`, directory.count);
  }
  if (directory.size > maxDirectoryBytes) {
    refuse(file, "zip directory", `at most ${maxDirectoryBytes} bytes`, directory.size);
  }
  const bytes = reader.read(directory.offset, directory.size, "zip directory");
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    const { entry, length } = parseEntry(bytes.subarray(at), file, i);
    if (entries.has(entry.name)) refuse(file, show(entry.name), "a member name once", "it twice");
    entries.set(entry.name, entry);
    at += length;
  }
  if (at !== bytes.length) {
    refuse(file, "zip directory", `${bytes.length} bytes for ${directory.count} members`, at);
  }
  return { entries: [...entries.values()], start: directory.offset };
}

function parseEntry(
  bytes: Buffer,
  file: string,
  index: number,
): { entry: ZipEntry; length: number } {
  const field = `zip member ${index}`;
  if (bytes.length < centralSize || bytes.readUInt32LE(0) !== centralSignature) {
    refuse(file, field, "a directory record", "other bytes (cut short, or a wrong count)");
  }
  const [nameLength, extraLength] = [bytes.readUInt16LE(28), bytes.readUInt16LE(30)];
  const length = centralSize + nameLength + extraLength + bytes.readUInt16LE(32);
  if (length > bytes.length) refuse(file, field, `${length} bytes`, `${bytes.length} left`);
  const nameBytes = bytes.subarray(centralSize, centralSize + nameLength);
  const name = nameBytes.toString("utf8");
  const extra = bytes.subarray(centralSize + nameLength, centralSize + nameLength + extraLength);
  const [size, compressedSize, headerOffset] = widen(
    extra,
    [bytes.readUInt32LE(24), bytes.readUInt32LE(20), bytes.readUInt32LE(42)],
    file,
    show(name),
  ) as [number, number, number];
  const entry: ZipEntry = {
    name,
    nameBytes,
    flags: bytes.readUInt16LE(8),
    method: bytes.readUInt16LE(10),
    crc: bytes.readUInt32LE(16),
    compressedSize,
    size,
    headerOffset,
  };
  return { entry, length };
}
