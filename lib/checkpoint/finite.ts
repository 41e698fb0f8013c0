import { withFile } from "./file-reader.js";
import { type FileDtype, itemSize, type TensorSource } from "./tensor-source.js";

// The exponent in an element's upper 16 bits: all ones in an infinity and in a NaN.
const exponents: Partial<Record<FileDtype, number>> = {
  float64: 0x7ff0,
  float32: 0x7f80,
  bfloat16: 0x7f80,
  float16: 0x7c00,
};

/**
 * Index of the first element that is infinite or not a number; -1 where all are finite. Reads the
 * elements: for small tensors. Throws CHECKPOINT where the file is cut short.
 */
export function firstNotFinite(source: TensorSource): number {
  const mask = exponents[source.dtype];
  if (mask === undefined) return -1;
  const size = itemSize[source.dtype];
  const bytes =
    "bytes" in source
      ? Buffer.from(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength)
      : withFile(source.file, (reader) =>
          reader.read(source.byteOffset, source.byteLength, source.name),
        );
  for (let at = size - 2; at < bytes.length; at += size) {
    if ((bytes.readUInt16LE(at) & mask) === mask) return (at - size + 2) / size;
  }
  return -1;
}
