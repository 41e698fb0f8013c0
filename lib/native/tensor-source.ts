import type { DtypeName } from "./handles.js";

/** A tensor in row-major order: a range of a file, or bytes already in memory. */
export interface NativeTensorSource {
  readonly name: string;
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly file?: string;
  readonly byteOffset?: number;
  readonly bytes?: Uint8Array;
}
