import { withFile } from "./file-reader.js";
import { type FileDtype, itemSize, type TensorSource } from "./tensor-source.js";

// The exponent bits in an element's upper 16 bits: all ones in an infinity and in a NaN.
const exponents: Partial<Record<FileDtype, number>> = {
  float32: 0x7f80,
  bfloat16: 0x7f80,
  float16: 0x7c00,
};

function bytesOf(source: TensorSource): Buffer {
  if ("bytes" in source) {
    const { buffer, byteOffset, byteLength } = source.bytes;
    return Buffer.from(buffer, byteOffset, byteLength);
  }
  const { file, byteOffset, byteLength, name } = source;
  return withFile(file, (reader) => reader.read(byteOffset, byteLength, name));
}

/** Reads the elements of a small floating-point tensor. Throws CHECKPOINT if the file is truncated. */
export function readFloats(source: TensorSource): number[] {
  const bytes = bytesOf(source);
  const word = new DataView(new ArrayBuffer(4));
  const half = (bits: number): number => {
    const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return sign ? -size : size;
  };
  const readers: Partial<Record<FileDtype, (at: number) => number>> = {
    float64: (at) => bytes.readDoubleLE(at),
    float32: (at) => bytes.readFloatLE(at),
    float16: (at) => half(bytes.readUInt16LE(at)),
    bfloat16: (at) => {
      word.setUint32(0, bytes.readUInt16LE(at) << 16);
      return word.getFloat32(0);
    },
  };
  const size = itemSize[source.dtype];
  const read = readers[source.dtype] ?? (() => Number.NaN);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => read(i * size));
}

/**
 * Index of the first element that is infinite or NaN, or becomes infinite in float32; -1 if all are
 * finite. It reads all elements, so use it for small tensors. Throws CHECKPOINT if the file is truncated.
 */
export function firstNotFinite(source: TensorSource): number {
  const mask = exponents[source.dtype];
  if (mask === undefined && source.dtype !== "float64") return -1;
  const size = itemSize[source.dtype];
  const bytes = bytesOf(source);
  for (let at = 0; at < bytes.length; at += size) {
    const finite =
      mask === undefined
        ? Number.isFinite(Math.fround(bytes.readDoubleLE(at)))
        : (bytes.readUInt16LE(at + size - 2) & mask) !== mask;
    if (!finite) return at / size;
  }
  return -1;
}
