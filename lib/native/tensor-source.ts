import type { DtypeName } from "./handles.js";

/** A stretch of a file, or bytes already in memory, that is a tensor in row-major order. */
export interface NativeTensorSource {
  readonly name: string;
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly file?: string;
  readonly byteOffset?: number;
  readonly bytes?: Uint8Array;
}
