import type { AnyHandle, TensorHandle } from "./handles.js";

export interface NativeInfo {
  /** The version of gemlens whose sources it was built from. */
  readonly version: string;
  /** libtorch's version as it was built against, e.g. "2.15.0". */
  readonly torch: string;
  readonly cuda: boolean;
  readonly cudaDevices: number;
  readonly threads: number;
  /** ATen's vector level, e.g. "AVX512". */
  readonly cpuCapability: string;
  /** Whose kernels are in use, such as "avx512"; "composed" if none are (GEMLENS_ISA). */
  readonly instructionSet: string;
  /** Those with kernels that this CPU can run, lowest first. */
  readonly instructionSets: readonly string[];
  readonly allocator: "caching" | "system";
}

/** @inline What is alive. */
export interface NativeMemory {
  /** Live handles of every kind. */
  readonly handles: number;
  /** Live tensors among them. */
  readonly tensors: number;
  /** Bytes of distinct storages that live tensor and feature handles hold. */
  readonly cpuBytes: number;
  /** The same, on GPUs. */
  readonly cudaBytes: number;
  /** Bytes that gemlens' CPU allocator has handed out and not got back. */
  readonly allocatedBytes: number;
  /** Bytes that it keeps for reuse. */
  readonly reservedBytes: number;
}

/** The addon's functions about itself: what it is, what is alive, its tasks and their ends. */
export interface EnvironmentCalls {
  info(): NativeInfo;
  memory(): NativeMemory;
  /** Frees what died unreachable, and gives cached free blocks back to the system. */
  releaseMemory(): void;
  /** Ends this environment's threads for good; what runs on them is broken off, and never settles. */
  shutDown(): void;
  /** Runs a kernel of the CUDA plugin on the first GPU and checks what it wrote; else DEVICE. */
  cudaProbe(): void;

  /** Names in id order: id = index in `global`, or global.length + layer · block.length + index. */
  hookPoints(): { readonly global: readonly string[]; readonly block: readonly string[] };

  /** Frees any handle; false if it was freed before. `endLoan` also detaches its ArrayBuffer. */
  dispose(handle: AnyHandle, endLoan?: boolean): boolean;
  isAlive(handle: AnyHandle): boolean;
  /** Asks the task that was submitted with `ctx.task` to stop (it rejects with ABORTED). */
  abort(task: number): void;
  /** Answers an `onHook` that returned `true`. */
  hookSettle(callId: number, answer: TensorHandle | null | false): void;
  /** Resolves when everything submitted before it on this device has run. */
  drain(device: string): Promise<void>;
}
