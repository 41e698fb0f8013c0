import { writeFileSync } from "node:fs";
import zlib from "node:zlib";

// Builds .npy arrays and zip archives by hand; a test may falsify every field.

/** The header of a little-endian float32 array. */
export const f4 = (shape: string, fortran = "False"): string =>
  `{'descr': '<f4', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

/** A .npy file with this header text, padded as NumPy pads it. */
export function npy(header: string, data: Buffer, version = 1): Buffer {
  const prefix = version === 1 ? 10 : 12;
  const text = `${header.padEnd(Math.ceil((prefix + header.length + 1) / 64) * 64 - prefix - 1)}\n`;
  const head = Buffer.alloc(prefix);
  head.write("\x93NUMPY", "latin1");
  head[6] = version;
  if (version === 1) head.writeUInt16LE(text.length, 8);
  else head.writeUInt32LE(text.length, 8);
  return Buffer.concat([head, Buffer.from(text, "latin1"), data]);
}
/** A valid array: 1, 2, 3, 4. */
export const vector = npy(f4("(4,)"), Buffer.from(new Float32Array([1, 2, 3, 4]).buffer));

/** One member; missing fields get their correct values. */
export interface Member {
  name: string;
  content: Buffer;
  deflate?: boolean;
  raw?: Buffer; // Its bytes in the archive.
  local?: Partial<{
    name: string;
    method: number;
    flags: number;
    size: number;
    packed: number;
    crc: number;
    extra: Buffer;
    signature: number;
  }>;
  central?: Partial<{
    method: number;
    flags: number;
    size: number;
    packed: number;
    crc: number;
    offset: number;
    extra: Buffer;
    signature: number;
  }>;
  descriptor?: Buffer;
}
export interface End {
  count?: number;
  countHere?: number;
  size?: number;
  offset?: number;
  disk?: number;
  comment?: string;
  zip64?: Partial<{
    count: bigint;
    size: bigint;
    offset: bigint;
    at: bigint;
    length: bigint;
    signature: number;
    disks: number;
  }>;
}

/** Writes the archive to `file`. */
export function zip(
  file: string,
  members: Member[],
  end: End = {},
  tail: Buffer = Buffer.alloc(0),
): string {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, deflate, raw, local = {}, central = {}, descriptor } of members) {
    const data = raw ?? (deflate ? zlib.deflateRawSync(content) : content);
    const crc = zlib.crc32(content);
    const method = deflate ? 8 : 0;
    const localName = Buffer.from(local.name ?? name);
    const extra = local.extra ?? Buffer.alloc(0);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(local.signature ?? 0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    head.writeUInt16LE(local.flags ?? 0, 6);
    head.writeUInt16LE(local.method ?? method, 8);
    head.writeUInt32LE(local.crc ?? crc, 14);
    head.writeUInt32LE(local.packed ?? data.length, 18);
    head.writeUInt32LE(local.size ?? content.length, 22);
    head.writeUInt16LE(localName.length, 26);
    head.writeUInt16LE(extra.length, 28);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(central.signature ?? 0x02014b50, 0);
    record.writeUInt16LE(central.flags ?? local.flags ?? 0, 8);
    record.writeUInt16LE(central.method ?? method, 10);
    record.writeUInt32LE(central.crc ?? crc, 16);
    record.writeUInt32LE(central.packed ?? data.length, 20);
    record.writeUInt32LE(central.size ?? content.length, 24);
    record.writeUInt16LE(Buffer.byteLength(name), 28);
    record.writeUInt16LE(central.extra?.length ?? 0, 30);
    record.writeUInt32LE(central.offset ?? offset, 42);
    directory.push(record, Buffer.from(name), central.extra ?? Buffer.alloc(0));
    const written = [head, localName, extra, data, descriptor ?? Buffer.alloc(0)];
    parts.push(...written);
    offset += written.reduce((sum, part) => sum + part.length, 0);
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  if (end.zip64) {
    const record = Buffer.alloc(76);
    record.writeUInt32LE(end.zip64.signature ?? 0x06064b50, 0);
    record.writeBigUInt64LE(end.zip64.length ?? 44n, 4);
    record.writeBigUInt64LE(end.zip64.count ?? BigInt(members.length), 24);
    record.writeBigUInt64LE(end.zip64.count ?? BigInt(members.length), 32);
    record.writeBigUInt64LE(end.zip64.size ?? BigInt(size), 40);
    record.writeBigUInt64LE(end.zip64.offset ?? BigInt(offset), 48);
    record.writeUInt32LE(0x07064b50, 56);
    record.writeBigUInt64LE(end.zip64.at ?? BigInt(offset + size), 64);
    record.writeUInt32LE(end.zip64.disks ?? 1, 72);
    directory.push(record);
  }
  const last = Buffer.alloc(22);
  const sentinel = end.zip64 ? 0xffffffff : undefined;
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(end.disk ?? 0, 4);
  last.writeUInt16LE(end.countHere ?? end.count ?? (sentinel ? 0xffff : members.length), 8);
  last.writeUInt16LE(end.count ?? (sentinel ? 0xffff : members.length), 10);
  last.writeUInt32LE(end.size ?? sentinel ?? size, 12);
  last.writeUInt32LE(end.offset ?? sentinel ?? offset, 16);
  last.writeUInt16LE(end.comment?.length ?? 0, 20);
  const comment = Buffer.from(end.comment ?? "");
  writeFileSync(file, Buffer.concat([...parts, ...directory, last, comment, tail]));
  return file;
}

/** A zip64 extra field with these values. */
export const wide = (...values: bigint[]): Buffer => {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) extra.writeBigUInt64LE(value, 4 + 8 * i);
  return extra;
};
