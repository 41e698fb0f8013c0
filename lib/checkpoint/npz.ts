import zlib from "node:zlib";
import { type FileReader, withFile } from "./file-reader.js";
import { maxNpyHeader, type NpyHeader, openNpy, parseNpyHeader } from "./npy.js";
import { refuse, show } from "./refuse.js";
import type { TensorSource } from "./tensor-source.js";
import { readZipDirectory } from "./zip-directory.js";
import { locateMember, stored, type ZipSpan } from "./zip-member.js";

// Deflate cannot do better than 1032:1, so a member that claims more lies.
const largestRatio = 1032;

// One call into zlib counts in 32 bits; published coders are stored, not deflated.
const largestDeflated = 2 ** 31;

/**
 * The arrays of a NumPy `.npz` archive (stored or deflated, zip64, any order), or the single array
 * of a bare `.npy`, by name without the `.npy` ending.
 *
 * Stored arrays stay in the file: the source says where. Deflated ones are inflated into memory,
 * after their declared size was found equal to what their own .npy header asks for, and are checked
 * against the archive's CRC-32.
 *
 * @throws CHECKPOINT naming file and member; NOT_FOUND where there is no such file
 */
export function openNpz(file: string): Map<string, TensorSource> {
  if (file.endsWith(".npy")) {
    const source = openNpy(file);
    return new Map([[source.name, source]]);
  }
  return withFile(file, (reader) => {
    const { entries, start } = readZipDirectory(reader);
    const spans = entries.map((entry) => locateMember(reader, entry));
    checkApart(spans, start, file);
    // Every header first, so that a bad member is refused before any other is inflated.
    const arrays = spans.map((span) => ({ span, header: readHeader(reader, span) }));
    return new Map(
      arrays.map(({ span, header }) => {
        const source = toSource(reader, span, header);
        return [source.name, source];
      }),
    );
  });
}

/** Members that share bytes are how a small archive pretends to be a large one. */
function checkApart(spans: readonly ZipSpan[], directoryStart: number, file: string): void {
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start < end) {
      refuse(file, show(span.entry.name), `a member that starts at ${end} or later`, span.start);
    }
    end = span.end;
    if (end > directoryStart) {
      refuse(file, show(span.entry.name), `a member that ends by ${directoryStart}`, end);
    }
  }
}

function readHeader(reader: FileReader, { entry, dataStart }: ZipSpan): NpyHeader {
  const field = show(entry.name);
  if (!entry.name.endsWith(".npy")) refuse(reader.path, field, "a member named *.npy", "another");
  const length = Math.min(entry.compressedSize, maxNpyHeader);
  const bytes = reader.read(dataStart, length, field);
  const start = entry.method === stored ? bytes : inflateStart(bytes, reader.path, field);
  const header = parseNpyHeader(start, reader.path, field);
  const size = header.dataStart + header.byteLength;
  if (size !== entry.size) {
    refuse(reader.path, field, `${size} bytes for shape ${show(header.shape)}`, entry.size);
  }
  if (entry.size > (entry.compressedSize + 1) * largestRatio) {
    const want = `at most ${largestRatio} times its ${entry.compressedSize} compressed bytes`;
    refuse(reader.path, field, want, entry.size);
  }
  if (entry.method !== stored && Math.max(entry.size, entry.compressedSize) > largestDeflated) {
    const want = `at most ${largestDeflated} bytes of a deflated member (store it: numpy.savez)`;
    refuse(reader.path, field, want, entry.size);
  }
  return header;
}

function inflateStart(bytes: Buffer, file: string, field: string): Buffer {
  try {
    // A sync flush returns what the given prefix of the stream holds instead of asking for its end.
    return zlib.inflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  } catch (error) {
    return refuse(file, field, "a deflate stream", (error as Error).message);
  }
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
    // One chunk just above the declared size: no copy from growing, and no more than declared.
    bytes = zlib.inflateRawSync(compressed, { maxOutputLength: size, chunkSize: size + 64 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const got = code === "ERR_BUFFER_TOO_LARGE" ? "more" : message;
    return refuse(file, field, `a deflate stream of ${size} bytes`, got);
  }
  if (bytes.length !== size) refuse(file, field, `${size} inflated bytes`, bytes.length);
  return bytes;
}
