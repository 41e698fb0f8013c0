import { show } from "../errors/show-value.js";
import { type FileReader, withFile } from "./file-reader.js";
import { otherFormat, savedMessage, sniffedBytes } from "./other-format.js";
import { refuse } from "./refuse.js";
import { parseStrictJson } from "./strict-json.js";
import { byteLengthOf, type FileDtype, type FileSource, itemSize } from "./tensor-source.js";

// The format allows headers of 100 MB, whose parsed form would take ten times that. gemma-3-27b has 1,247
// tensors in 140 kB of headers. A tensor takes at most 16 values: dtype, shape, offsets.
const maxHeaderBytes = 8 * 1024 * 1024;
const maxTensors = 20_000;
const maxValues = 16 * maxTensors;

/** Our element types → the format's names. */
export const safetensorsNames: Readonly<Record<FileDtype, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

const dtypes = new Map(
  Object.entries(safetensorsNames).map(([ours, theirs]) => [theirs, ours as FileDtype]),
);

// Only quantised checkpoints use these types.
const packed = /^(?:F8_|F4|F6_|U16|U32|U64)/;

/** The validated header of one safetensors file. */
export interface SafetensorsHeader {
  /** Every tensor by its name, in the header's order. */
  readonly tensors: Map<string, FileSource>;
  /** The entries of `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads and validates the header of a safetensors file; the weights themselves are not read.
 *
 * It is as strict as the format's reference reader: every element type is known, every span equals
 * shape × element size, and the spans cover the file without overlaps and holes.
 *
 * @throws CHECKPOINT naming file and field; NOT_FOUND if the file is missing
 */
export function readSafetensorsHeader(file: string): SafetensorsHeader {
  return withFile(file, (reader) => {
    refuseOther(reader);
    const length = Number(reader.read(0, 8, "header length").readBigUInt64LE());
    if (length > maxHeaderBytes) {
      refuse(file, "header length", `at most ${maxHeaderBytes} bytes`, length);
    }
    const header = reader.read(8, length, "header");
    if (header[0] !== 0x7b)
      refuse(file, "header", 'a JSON object starting with "{"', "other bytes");
    const json = parseStrictJson(header, maxValues, (field, expected, got, cause) =>
      refuse(file, field, expected, got, cause),
    ) as Record<string, unknown>;
    const { __metadata__: metadata, ...entries } = json;
    const tensors = parseEntries(entries, file, 8 + length);
    checkCoverage(tensors, file, 8 + length, reader.size);
    return { tensors: inOrder(entries, tensors), metadata: parseMetadata(metadata, file) };
  });
}

/** Refuses other formats. The header's length is at most 2^23, so bytes 4 to 7 are zero, unlike in text. */
function refuseOther({ path, size, read }: FileReader): void {
  const start = read(0, Math.min(size, sniffedBytes), "file");
  if (start.length >= 9 && start.readUInt32LE(4) === 0 && start[8] === 0x7b) return;
  const other = otherFormat(start) ?? savedMessage(start);
  const field = size === 0 ? "header length" : "file";
  if (other !== undefined) refuse(path, field, "a safetensors file", other);
}

function parseMetadata(metadata: unknown, file: string): Map<string, string> {
  const object = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  const entries = object ? Object.entries(metadata) : [];
  const texts = entries.every(([, value]) => typeof value === "string");
  if (metadata !== undefined && !(object && texts)) {
    refuse(file, "__metadata__", "an object of strings", show(metadata));
  }
  return new Map(entries);
}

function parseEntries(
  entries: Record<string, unknown>,
  file: string,
  dataStart: number,
): FileSource[] {
  const names = Object.keys(entries);
  if (names.length > maxTensors) {
    refuse(file, "header", `at most ${maxTensors} tensors`, names.length);
  }
  return names.map((name) => {
    const { label, shape, begin, end } = parseEntry(entries[name], file, name);
    const dtype = dtypes.get(label);
    if (!dtype && packed.test(label)) {
      const got = `${show(label)}: get the checkpoint that is not quantised`;
      refuse(file, `${name}.dtype`, "weights that are not quantised", got);
    }
    if (!dtype) {
      return refuse(file, `${name}.dtype`, `one of ${[...dtypes.keys()].join(" ")}`, show(label));
    }
    const byteLength = byteLengthOf(shape, dtype, file, `${name}.shape`);
    if (end - begin !== byteLength) {
      const want = `a span of ${byteLength} bytes (${show(shape)} × ${itemSize[dtype]})`;
      refuse(file, `${name}.data_offsets`, want, show([begin, end]));
    }
    return { name, dtype, shape, file, byteOffset: dataStart + begin, byteLength };
  });
}

const entryKeys = new Set(["dtype", "shape", "data_offsets"]);

/** Written by hand, because zod would collect an issue for each of a million sizes instead of stopping. */
function parseEntry(
  entry: unknown,
  file: string,
  name: string,
): { label: string; shape: readonly number[]; begin: number; end: number } {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    return refuse(file, name, "{dtype, shape, data_offsets}", show(entry));
  }
  const unknown = Object.keys(entry).find((key) => !entryKeys.has(key));
  if (unknown !== undefined) {
    refuse(file, name, "{dtype, shape, data_offsets} alone", show(unknown));
  }
  const { dtype: label, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof label !== "string") return refuse(file, `${name}.dtype`, "a string", show(label));
  const sizes = parseSizes(shape, file, `${name}.shape`);
  const [begin, end, ...more] = parseSizes(offsets, file, `${name}.data_offsets`);
  if (begin === undefined || end === undefined || more.length > 0) {
    return refuse(file, `${name}.data_offsets`, "[begin, end]", show(offsets));
  }
  return { label, shape: sizes, begin, end };
}

function parseSizes(list: unknown, file: string, field: string): readonly number[] {
  if (!Array.isArray(list)) return refuse(file, field, "an array of integers", show(list));
  const bad = list.findIndex((size) => !Number.isSafeInteger(size) || size < 0);
  if (bad >= 0) refuse(file, `${field}.${bad}`, "an integer of at least 0", show(list[bad]));
  return list as number[];
}

function checkCoverage(tensors: FileSource[], file: string, dataStart: number, size: number): void {
  // Sort by length too, because a tensor without elements shares its offset with the next one.
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let at = dataStart;
  for (const { name, byteOffset, byteLength } of tensors) {
    if (byteOffset !== at) {
      const fault = byteOffset < at ? "an overlap" : "a hole";
      const want = `data that starts at ${at - dataStart}`;
      refuse(file, `${name}.data_offsets`, want, `${byteOffset - dataStart} (${fault})`);
    }
    at += byteLength;
    if (at > size) {
      const want = `data within the file of ${size} bytes`;
      refuse(file, `${name}.data_offsets`, want, `an end at ${at} (file cut short)`);
    }
  }
  if (at !== size) refuse(file, "data", `a file of ${at} bytes`, size);
}

function inOrder(entries: object, tensors: FileSource[]): Map<string, FileSource> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return new Map(Object.keys(entries).map((name) => [name, byName.get(name) as FileSource]));
}
