import { show } from "../errors/show-value.js";
import { refuse } from "./refuse.js";

/** Element types that a checkpoint may hold, by our names. */
export type FileDtype =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

/** Bytes per element. */
export const itemSize: Readonly<Record<FileDtype, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** The name, type and shape of a tensor in a file. */
export interface TensorInFile {
  /** Its name in the file. */
  readonly name: string;
  /** Its element type. */
  readonly dtype: FileDtype;
  /** Its sizes. */
  readonly shape: readonly number[];
}

/** A tensor stored uncompressed in a file: a validated span, little-endian and in C order. */
export interface FileSource extends TensorInFile {
  /** The file's path. */
  readonly file: string;
  /** Its first byte in the file. */
  readonly byteOffset: number;
  /** Its length in bytes. */
  readonly byteLength: number;
}

/** The source of a tensor's elements: a file, or memory for a deflated archive member. */
export type TensorSource =
  | FileSource
  | (TensorInFile & {
      /** Its elements, inflated. */
      readonly bytes: Uint8Array;
    });

const maxDimensions = 8;

/**
 * The bytes of a tensor of this shape. Every product is checked: a shape whose strides overflow is refused
 * even if another dimension is 0. Throws CHECKPOINT.
 */
export function byteLengthOf(
  shape: readonly number[],
  dtype: FileDtype,
  file: string,
  field: string,
): number {
  if (shape.length > maxDimensions) {
    refuse(file, field, `at most ${maxDimensions} dimensions`, shape.length);
  }
  let count = 1;
  let bound = itemSize[dtype];
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      refuse(file, field, "non-negative integers in the shape", show(shape));
    }
    if (size > 1 && bound > Number.MAX_SAFE_INTEGER / size) {
      refuse(file, field, "a shape of less than 2^53 bytes", show(shape));
    }
    bound *= Math.max(size, 1);
    count *= size;
  }
  return count * itemSize[dtype];
}
