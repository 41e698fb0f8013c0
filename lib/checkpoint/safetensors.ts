import { z } from "zod";
import { withFile } from "./file-reader.js";
import { refuse, show } from "./refuse.js";
import { parseStrictJson } from "./strict-json.js";
import { byteLengthOf, type FileDtype, itemSize, type TensorSource } from "./tensor-source.js";

// The safetensors format's own limit, and one on the number of tensors (gemma-3-27b has 1,247).
const maxHeaderBytes = 100_000_000;
const maxTensors = 1_000_000;

const dtypes = new Map<string, FileDtype>([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/** The validated header of one safetensors file. */
export interface SafetensorsHeader {
  readonly tensors: Map<string, TensorSource>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads and validates the header of a safetensors file; the weights themselves are not read.
 *
 * As strict as the format's reference reader: every element type known, every span equal to
 * shape × element size, spans in the file, without overlap and without a hole.
 *
 * @throws CHECKPOINT naming file and field; NOT_FOUND where there is no such file
 */
export function readSafetensorsHeader(file: string): SafetensorsHeader {
  return withFile(file, (reader) => {
    const length = Number(reader.read(0, 8, "header length").readBigUInt64LE());
    if (length > maxHeaderBytes) {
      refuse(file, "header length", `at most ${maxHeaderBytes} bytes`, length);
    }
    const header = reader.read(8, length, "header");
    if (header[0] !== 0x7b)
      refuse(file, "header", 'a JSON object starting with "{"', "other bytes");
    const json = parseStrictJson(header, file) as Record<string, unknown>;
    const { __metadata__: metadata, ...entries } = json;
    const tensors = readEntries(entries, file, 8 + length);
    checkCoverage(tensors, file, 8 + length, reader.size);
    return { tensors: inOrder(entries, tensors), metadata: readMetadata(metadata, file) };
  });
}

function readMetadata(metadata: unknown, file: string): Map<string, string> {
  if (metadata === undefined) return new Map();
  const parsed = z.record(z.string(), z.string()).safeParse(metadata);
  if (!parsed.success) return refuse(file, "__metadata__", "an object of strings", show(metadata));
  return new Map(Object.entries(parsed.data));
}

type FileSource = TensorSource & { byteOffset: number; byteLength: number };

function readEntries(
  entries: Record<string, unknown>,
  file: string,
  dataStart: number,
): FileSource[] {
  const names = Object.keys(entries);
  if (names.length > maxTensors) {
    refuse(file, "header", `at most ${maxTensors} tensors`, names.length);
  }
  return names.map((name) => {
    const parsed = entrySchema.safeParse(entries[name]);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const field = [name, ...(issue?.path ?? [])].join(".");
      return refuse(
        file,
        field,
        "{dtype, shape, data_offsets}",
        issue?.message ?? "something else",
      );
    }
    const {
      dtype: label,
      shape,
      data_offsets: [begin, end],
    } = parsed.data;
    const dtype = dtypes.get(label);
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

function checkCoverage(tensors: FileSource[], file: string, dataStart: number, size: number): void {
  // By end as well: tensors without elements share their offset with the next one.
  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let at = dataStart;
  for (const { name, byteOffset, byteLength } of tensors) {
    if (byteOffset !== at) {
      const what = byteOffset < at ? "an overlap" : "a hole";
      const want = `data that starts at ${at - dataStart}`;
      refuse(file, `${name}.data_offsets`, want, `${byteOffset - dataStart} (${what})`);
    }
    at += byteLength;
    if (at > size) {
      const want = `data within the file of ${size} bytes`;
      refuse(file, `${name}.data_offsets`, want, `an end at ${at} (file cut short)`);
    }
  }
  if (at !== size) refuse(file, "data", `a file of ${at} bytes`, size);
}

function inOrder(entries: object, tensors: FileSource[]): Map<string, TensorSource> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return new Map(Object.keys(entries).map((name) => [name, byName.get(name) as TensorSource]));
}
