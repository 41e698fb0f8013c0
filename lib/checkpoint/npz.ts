/**
 * A reader of NumPy archives. It is written by hand because the zip packages that gemlens uses elsewhere
 * (yauzl, fflate) accept overlapping members and local headers that disagree with the directory.
 */
import { freemem } from "node:os";
import zlib from "node:zlib";
import { show } from "../errors/show-value.js";
import { type FileReader, withFile } from "./file-reader.js";
import { maxNpyHeader, type NpyHeader, openNpy, parseNpyHeader } from "./npy.js";
import { otherFormat, savedMessage, sniffedBytes, torchFile } from "./other-format.js";
import { refuse } from "./refuse.js";
import type { TensorSource } from "./tensor-source.js";
import { readZipDirectory, type ZipEntry } from "./zip-directory.js";
import { locateMember, stored, type ZipSpan } from "./zip-member.js";

// Each member is as large as its own .npy header says, so a bomb can only contain arrays of zeros, which
// deflate packs 1,030 to 1. Sparse or rounded weights reach 20 to 1; a small archive with an array of
// zeros may need more.
const largestGrowth = 100;
const smallInflated = 1024 * 1024;

// One zlib call counts bytes in 32 bits. Published coders are stored, not deflated.
const largestDeflated = 2 ** 31;

/**
 * The arrays of a NumPy `.npz` archive (stored or deflated, zip64, any order), or the single array
 * of a bare `.npy`, by name without the `.npy` ending.
 *
 * Stored arrays stay in the file; the source has their offset. Deflated ones are inflated into memory if
 * their declared size fits their own .npy header, and are checked against the archive's CRC-32. Together
 * they may take a hundred times the file's size (at least a megabyte), but no more than the free memory.
 *
 * @throws CHECKPOINT naming file and member; NOT_FOUND if the file is missing
 */
export function openNpz(file: string): Map<string, TensorSource> {
  if (file.endsWith(".npy")) {
    const source = openNpy(file);
    return new Map([[source.name, source]]);
  }
  return withFile(file, (reader) => {
    refuseOther(reader);
    const spans = locateAll(reader);
    // Check the directory's names and sizes first, which is cheap. Then check every header, so that an
    // invalid member is refused before any other is inflated.
    for (const { entry } of spans) checkName(reader.path, entry.name);
    checkGrowth(spans, reader);
    const arrays = spans.map((span) => ({ span, header: readHeader(reader, span) }));
    return new Map(
      arrays.map(({ span, header }) => {
        const source = toSource(reader, span, header);
        return [source.name, source];
      }),
    );
  });
}

function refuseOther({ path, size, read }: FileReader): void {
  const start = read(0, Math.min(size, sniffedBytes), "file");
  const zip = start.toString("latin1", 0, 2) === "PK";
  const other = zip ? torchFile(start) : (otherFormat(start) ?? savedMessage(start));
  if (other !== undefined) refuse(path, "file", "a NumPy archive (.npz)", other);
}

/**
 * Returns every member's span in the directory's order. It goes through the file in order, so that
 * members that share bytes (which makes a small archive look large) are refused before many are read.
 */
function locateAll(reader: FileReader): ZipSpan[] {
  const { entries, start: directoryStart } = readZipDirectory(reader);
  const spans = new Map<ZipEntry, ZipSpan>();
  let end = 0;
  for (const entry of [...entries].sort((a, b) => a.headerOffset - b.headerOffset)) {
    const field = show(entry.name);
    const span = locateMember(reader, entry);
    if (entry.headerOffset < end) {
      refuse(reader.path, field, `a member that starts at ${end} or later`, entry.headerOffset);
    }
    end = span.end;
    if (end > directoryStart) {
      refuse(reader.path, field, `a member that ends by ${directoryStart}`, end);
    }
    spans.set(entry, span);
  }
  return entries.map((entry) => spans.get(entry) as ZipSpan);
}

function checkGrowth(spans: readonly ZipSpan[], reader: FileReader): void {
  const limit = Math.min(Math.max(largestGrowth * reader.size, smallInflated), freemem());
  let inflated = 0;
  for (const { entry } of spans) {
    if (entry.method !== stored) inflated += entry.size;
    if (inflated > limit) {
      const want = `at most ${limit} inflated bytes (store the arrays: numpy.savez)`;
      refuse(reader.path, show(entry.name), want, inflated);
    }
  }
}

function checkName(file: string, name: string): void {
  const field = show(name);
  if (!name.endsWith(".npy")) {
    const torch = /\/data\.pkl$|\/data\/\d+$/.test(name);
    const got = torch ? "a PyTorch file" : "another (a zip of other files: unpack it first)";
    refuse(file, field, "a member named *.npy", got);
  }
  // Python ends a name at a NUL, and would find another array.
  if (/\p{Cc}/u.test(name)) {
    refuse(file, field, "a name without control characters", "one that has some");
  }
}

function readHeader(reader: FileReader, { entry, dataStart }: ZipSpan): NpyHeader {
  const field = show(entry.name);
  const length = Math.min(entry.compressedSize, maxNpyHeader);
  const bytes = reader.read(dataStart, length, field);
  const start =
    entry.method === stored ? bytes : inflateStart(bytes, entry.size, reader.path, field);
  const header = parseNpyHeader(start, reader.path, field);
  const size = header.dataStart + header.byteLength;
  if (size !== entry.size) {
    refuse(reader.path, field, `${size} bytes for shape ${show(header.shape)}`, entry.size);
  }
  if (entry.method !== stored && Math.max(entry.size, entry.compressedSize) > largestDeflated) {
    const want = `at most ${largestDeflated} bytes of a deflated member (store it: numpy.savez)`;
    refuse(reader.path, field, want, entry.size);
  }
  return header;
}

/**
 * Inflates enough of a deflate stream for a .npy header. It starts with a short prefix, because a
 * kilobyte may inflate to a megabyte of zeros.
 */
function inflateStart(bytes: Buffer, size: number, file: string, field: string): Buffer {
  for (let length = 256; ; length *= 2) {
    const start = inflatePrefix(bytes.subarray(0, length), size, file, field);
    if (start.length >= maxNpyHeader || length >= bytes.length) return start;
  }
}

function inflatePrefix(bytes: Buffer, size: number, file: string, field: string): Buffer {
  try {
    return zlib.inflateRawSync(bytes, {
      // A sync flush returns the output of a prefix without requiring the stream's end.
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.max(size, 1),
      chunkSize: 4096,
    });
  } catch (error) {
    return refuseStream(error, size, file, field);
  }
}

function refuseStream(error: unknown, size: number, file: string, field: string): never {
  const { code, message } = error as NodeJS.ErrnoException;
  const got = code === "ERR_BUFFER_TOO_LARGE" ? "more" : message;
  return refuse(file, field, `a deflate stream of ${size} bytes`, got, error);
}

function toSource(reader: FileReader, span: ZipSpan, header: NpyHeader): TensorSource {
  const { entry, dataStart } = span;
  const name = entry.name.slice(0, -".npy".length);
  const { dtype, shape, byteLength } = header;
  if (entry.method === stored) {
    const byteOffset = dataStart + header.dataStart;
    return { name, dtype, shape, file: reader.path, byteOffset, byteLength };
  }
  const compressed = reader.read(dataStart, entry.compressedSize, show(entry.name));
  const bytes = inflate(compressed, entry.size, reader.path, show(entry.name));
  if (zlib.crc32(bytes) !== entry.crc) {
    refuse(reader.path, show(entry.name), "the checksum that the directory has", "another");
  }
  return { name, dtype, shape, bytes: bytes.subarray(header.dataStart) };
}

function inflate(compressed: Buffer, size: number, file: string, field: string): Buffer {
  let bytes: Buffer;
  try {
    // One chunk just above the declared size avoids copies and limits the output to the declared size.
    bytes = zlib.inflateRawSync(compressed, {
      maxOutputLength: Math.max(size, 1),
      chunkSize: size + 64,
    });
  } catch (error) {
    return refuseStream(error, size, file, field);
  }
  if (bytes.length !== size) refuse(file, field, `${size} inflated bytes`, bytes.length);
  return bytes;
}
