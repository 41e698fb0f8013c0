import { basename } from "node:path";
import { show } from "../errors/show-value.js";
import { withFile } from "./file-reader.js";
import { type PythonValue, parsePythonDict } from "./python-dict.js";
import { refuse } from "./refuse.js";
import { byteLengthOf, type FileDtype, type TensorSource } from "./tensor-source.js";

const dtypes = new Map<string, FileDtype>([
  ["<f8", "float64"],
  ["<f4", "float32"],
  ["<f2", "float16"],
  ["<i8", "int64"],
  ["<i4", "int32"],
  ["<i2", "int16"],
  ["|i1", "int8"],
  ["|u1", "uint8"],
  ["|b1", "bool"],
]);

/**
 * The longest .npy header that is read. NumPy writes 128 bytes, and eight dimensions of 16 digits need a
 * third of this. Longer headers (record types) are unsupported anyway.
 */
export const maxNpyHeader = 1024;

/** A parsed and checked .npy header. */
export interface NpyHeader {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** Bytes before the first element. */
  readonly dataStart: number;
  /** Bytes of all elements, from dtype and shape. */
  readonly byteLength: number;
}

/**
 * Parses the header at the beginning of `bytes` (format versions 1 to 3 of NumPy's .npy).
 *
 * Messages name the array `field`. Arrays in Fortran order are refused if the order matters (two or more
 * dimensions above 1), because weights are used in place.
 *
 * @throws CHECKPOINT
 */
export function parseNpyHeader(bytes: Uint8Array, file: string, field: string): NpyHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 10 || buffer.toString("latin1", 0, 6) !== "\x93NUMPY") {
    refuse(file, field, "the .npy signature", "other bytes");
  }
  const version = buffer[6] as number;
  if (version < 1 || version > 3 || buffer[7] !== 0) {
    refuse(file, field, ".npy format 1.0, 2.0 or 3.0", `${version}.${buffer[7]}`);
  }
  const prefix = version === 1 ? 10 : 12;
  if (buffer.length < prefix) refuse(file, field, "a whole .npy header", "less");
  const length = version === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8);
  if (prefix + length > maxNpyHeader) {
    refuse(file, field, `a .npy header of at most ${maxNpyHeader} bytes`, prefix + length);
  }
  if (prefix + length > buffer.length) {
    refuse(file, field, `a .npy header of ${prefix + length} bytes`, `${buffer.length} bytes`);
  }
  const text = buffer.toString(version === 3 ? "utf8" : "latin1", prefix, prefix + length);
  return parseFields(parsePythonDict(text, file, field), file, field, prefix + length);
}

function parseFields(
  dict: ReadonlyMap<string, PythonValue>,
  file: string,
  field: string,
  dataStart: number,
): NpyHeader {
  const keys = [...dict.keys()].sort().join(" ");
  if (keys !== "descr fortran_order shape") {
    refuse(file, field, "the keys descr, fortran_order and shape", show(keys));
  }
  const descr = dict.get("descr");
  const dtype = typeof descr === "string" ? dtypes.get(descr) : undefined;
  if (!dtype) {
    return refuse(file, `${field} descr`, `one of ${[...dtypes.keys()].join(" ")}`, show(descr));
  }
  const shape = dict.get("shape");
  if (!Array.isArray(shape))
    return refuse(file, `${field} shape`, "a tuple of integers", show(shape));
  const fortran = dict.get("fortran_order");
  if (typeof fortran !== "boolean") {
    return refuse(file, `${field} fortran_order`, "True or False", show(fortran));
  }
  const byteLength = byteLengthOf(shape, dtype, file, `${field} shape`);
  if (fortran && shape.filter((size) => size !== 1).length > 1) {
    refuse(file, `${field} fortran_order`, "C order (numpy.ascontiguousarray)", "Fortran order");
  }
  return { dtype, shape, dataStart, byteLength };
}

/** Opens a bare `.npy` file; the tensor is named after the file. Throws CHECKPOINT or NOT_FOUND. */
export function openNpy(file: string): TensorSource {
  return withFile(file, (reader) => {
    const name = basename(file, ".npy");
    const start = reader.read(0, Math.min(reader.size, maxNpyHeader), name);
    const { dtype, shape, dataStart, byteLength } = parseNpyHeader(start, file, name);
    if (dataStart + byteLength !== reader.size) {
      refuse(
        file,
        name,
        `a file of ${dataStart + byteLength} bytes for ${show(shape)}`,
        reader.size,
      );
    }
    return { name, dtype, shape, file, byteOffset: dataStart, byteLength };
  });
}
