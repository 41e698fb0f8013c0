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

/** One tensor of a file: what it is. */
export interface TensorInFile {
  /** As the file names it. */
  readonly name: string;
  /** Its element type. */
  readonly dtype: FileDtype;
  /** Its sizes. */
  readonly shape: readonly number[];
}

/** A tensor that lies in a file as it is: a validated span, little-endian and in C order. */
export interface FileSource extends TensorInFile {
  /** The file that holds it. */
  readonly file: string;
  /** Where in the file it begins. */
  readonly byteOffset: number;
  /** How long it is. */
  readonly byteLength: number;
}

/** Where one tensor's elements lie: in a file, or (a deflated archive member) in memory already. */
export type TensorSource =
  | FileSource
  | (TensorInFile & {
      /** Its elements, inflated. */
      readonly bytes: Uint8Array;
    });

const maxDimensions = 8;

/**
 * Bytes that `shape` takes, every product checked: a tensor whose strides would overflow is refused
 * even where a zero elsewhere in the shape makes its size 0. Throws CHECKPOINT.
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
