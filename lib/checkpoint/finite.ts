import { withFile } from "./file-reader.js";
import { type FileDtype, itemSize, type TensorSource } from "./tensor-source.js";

// The exponent in an element's upper 16 bits: all ones in an infinity and in a NaN.
const exponents: Partial<Record<FileDtype, number>> = {
  float32: 0x7f80,
  bfloat16: 0x7f80,
  float16: 0x7c00,
};

/**
 * Index of the first element that is infinite or not a number, or becomes so in float32; -1 where
 * all are finite. Reads the elements: for small tensors. Throws CHECKPOINT where the file is cut short.
 */
export function firstNotFinite(source: TensorSource): number {
  const mask = exponents[source.dtype];
  if (mask === undefined && source.dtype !== "float64") return -1;
  const size = itemSize[source.dtype];
  const bytes =
    "bytes" in source
      ? Buffer.from(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength)
      : withFile(source.file, (reader) =>
          reader.read(source.byteOffset, source.byteLength, source.name),
        );
  for (let at = 0; at < bytes.length; at += size) {
    const finite =
      mask === undefined
        ? Number.isFinite(Math.fround(bytes.readDoubleLE(at)))
        : (bytes.readUInt16LE(at + size - 2) & mask) !== mask;
    if (!finite) return at / size;
  }
  return -1;
}
