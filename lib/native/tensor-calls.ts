import type { DtypeName, TaskContext, TensorHandle } from "./handles.js";

/** @inline A typed array over native memory. */
export type NativeTypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array;

/** The addon's functions of tensors: creation, copies, the small vocabulary and its gradients. */
export interface TensorCalls {
  tensorEmpty(shape: readonly number[], dtype: DtypeName, device: string): TensorHandle;
  /** Copies `data`, whose element type must be the dtype's (bfloat16 and float16: Uint16Array bits). */
  tensorFrom(
    data: NativeTypedArray,
    shape: readonly number[],
    dtype: DtypeName,
    device: string,
  ): TensorHandle;
  tensorShape(t: TensorHandle): number[];
  tensorDtype(t: TensorHandle): DtypeName;
  /** "cpu" or "cuda:0". */
  tensorDevice(t: TensorHandle): string;
  tensorIsContiguous(t: TensorHandle): boolean;
  /** A typed array over the tensor's own memory (contiguous, CPU). bfloat16 and float16: the bits. */
  tensorData(t: TensorHandle): NativeTypedArray;
  /** A copy in row-major order; bfloat16 and float16 become Float32Array. */
  tensorRead(t: TensorHandle, ctx: TaskContext): Promise<NativeTypedArray>;
  /** As `tensorRead`, on the calling thread; waits for a GPU. */
  tensorReadSync(t: TensorHandle): NativeTypedArray;
  /** Gives `t` its own memory if it shares any with `other`. */
  tensorUnshare(t: TensorHandle, other: TensorHandle): void;
  /** Refuses in-place operations on it from now on (weights). */
  tensorFreeze(t: TensorHandle): void;
  /** The small vocabulary: operation name → function over handles, numbers, number lists, booleans. */
  readonly ops: Readonly<Record<string, (...args: unknown[]) => unknown>>;

  /** Turns gradient recording on this thread on or off (default: off); returns the previous state. */
  gradMode(on: boolean): boolean;
  /** Returns a tensor with the same values whose uses are recorded. */
  gradTrack(t: TensorHandle): TensorHandle;
  /** The gradient of `scalar` (one element) at a tracked tensor. Throws ARGUMENT if it does not depend on it. */
  gradOf(scalar: TensorHandle, tracked: TensorHandle): TensorHandle;
}
