import type { AnyHandle, TensorHandle } from "./handles.js";

export interface NativeInfo {
  /** The gemlens version of its sources. */
  readonly version: string;
  /** The libtorch version that it was built against, e.g. "2.15.0". */
  readonly torch: string;
  readonly cuda: boolean;
  readonly cudaDevices: number;
  readonly threads: number;
  /** ATen's vector level, e.g. "AVX512". */
  readonly cpuCapability: string;
  /** The instruction set whose kernels are in use, such as "avx512"; "composed" if none are (GEMLENS_ISA). */
  readonly instructionSet: string;
  /** The instruction sets with kernels that this CPU can run, lowest first. */
  readonly instructionSets: readonly string[];
  readonly allocator: "caching" | "system";
}

/** @inline Live objects and bytes. */
export interface NativeMemory {
  /** Live handles of every kind. */
  readonly handles: number;
  /** Live tensors among them. */
  readonly tensors: number;
  /** Bytes of distinct storages that live tensor and feature handles hold. */
  readonly cpuBytes: number;
  /** The same, on GPUs. */
  readonly cudaBytes: number;
  /** Bytes in use from gemlens' CPU allocator. */
  readonly allocatedBytes: number;
  /** Bytes that the allocator keeps for reuse. */
  readonly reservedBytes: number;
}

/** The addon's functions about itself: build, memory, kernels, tasks. */
export interface EnvironmentCalls {
  info(): NativeInfo;
  memory(): NativeMemory;
  /** Frees unreachable objects and returns cached free blocks to the system. */
  releaseMemory(): void;
  /** Ends this environment's threads for good. Running tasks stop and never settle. */
  shutDown(): void;
  /** Runs a kernel of the CUDA plugin on the first GPU. Throws DEVICE if its result is wrong. */
  cudaProbe(): void;

  /** Names in order of their ids: index in `global`, or global.length + layer · block.length + index. */
  hookPoints(): { readonly global: readonly string[]; readonly block: readonly string[] };

  /** Frees any handle; returns false if it was already freed. `endLoan` also detaches its ArrayBuffer. */
  dispose(handle: AnyHandle, endLoan?: boolean): boolean;
  isAlive(handle: AnyHandle): boolean;
  /** Asks the task submitted with this `ctx.task` to stop; it rejects with ABORTED. */
  abort(task: number): void;
  /** Answers an `onHook` that returned `true`. */
  hookSettle(callId: number, answer: TensorHandle | null | false): void;
  /** Resolves after everything submitted earlier on this device has run. */
  drain(device: string): Promise<void>;
}
