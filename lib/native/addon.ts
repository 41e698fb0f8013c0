/**
 * The whole typed surface of the native core, and the only description of it: what `loadAddon()`
 * returns. Handles are opaque; a wrong, stale or foreign one is refused by kind, never dereferenced.
 *
 * Conventions
 * - Functions that return a promise run on the executor thread of the handle's device; the others run
 *   on the calling thread with one OpenMP thread.
 * - Inputs are retained at the call: disposing a handle right afterwards is safe.
 * - `ctx` is where a task comes from: the id of the hook call it was submitted in (0 outside hooks;
 *   such a task runs nested while that hook is awaited), and an id of the caller's choice by which
 *   `abort` finds it (0: cannot be aborted).
 * - Errors are plain `Error`s with `code` and `fields`; `call.ts` turns them into the typed classes.
 */

import type { NativeCoderConfig, NativeCoderLayout } from "./coder-layout.js";
import type { ReadoutCalls } from "./readout-calls.js";
import type {
  NativeEditList,
  NativeGradientResult,
  NativeGradients,
  NativeRunRequest,
  NativeRunResult,
} from "./run-request.js";

export type { NativeReadout } from "./readout-calls.js";
export type {
  HookAnswer,
  NativeEditList,
  NativeEdits,
  NativeGradientResult,
  NativeGradients,
  NativeIntervention,
  NativePlace,
  NativeRunRequest,
  NativeRunResult,
  NativeSampling,
  NativeSplice,
  NativeTarget,
} from "./run-request.js";

declare const kind: unique symbol;
export type TensorHandle = { readonly [kind]: "tensor" };
export type FeaturesHandle = { readonly [kind]: "features" };
export type ModelHandle = { readonly [kind]: "model" };
export type CoderHandle = { readonly [kind]: "coder" };
export type KvCacheHandle = { readonly [kind]: "kvCache" };
export type EditsHandle = { readonly [kind]: "edits" };
export type AnyHandle =
  | TensorHandle
  | FeaturesHandle
  | ModelHandle
  | CoderHandle
  | KvCacheHandle
  | EditsHandle;

/** @inline Element types. */
export type DtypeName =
  | "float32"
  | "bfloat16"
  | "float16"
  | "int32"
  | "int64"
  | "bool"
  | "uint8"
  | "float64";

export interface TaskContext {
  /** The hook call this was submitted from, 0 for none. */
  readonly call: number;
  /** The caller's id for `abort`, 0 for none. */
  readonly task: number;
}

/** A stretch of a file, or bytes already in memory, that is a tensor in row-major order. */
export interface NativeTensorSource {
  readonly name: string;
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
  readonly file?: string;
  readonly byteOffset?: number;
  readonly bytes?: Uint8Array;
}

export interface NativeModelConfig {
  readonly nLayers: number;
  readonly dModel: number;
  readonly nHeads: number;
  readonly nKeyValueHeads: number;
  readonly dHead: number;
  readonly dMlp: number;
  readonly dVocab: number;
  readonly eps: number;
  /** Multiplied with q·k: 1/√query_pre_attn_scalar. */
  readonly attnScale: number;
  /** 0 for none. */
  readonly attnSoftcap: number;
  /** 0 for none. */
  readonly finalSoftcap: number;
  readonly qkNorm: boolean;
  /** Per layer: keys visible including the query itself; 0 for all. */
  readonly windows: readonly number[];
  readonly ropeBases: readonly number[];
  /** Positions are divided by it. */
  readonly ropeScales: readonly number[];
}

/** One edit of features: set, add or zero `feature` at the given rows (flattened batch·pos); absent: all rows. */
export interface NativeFeatureEdit {
  readonly op: "set" | "add" | "zero";
  readonly feature: number;
  readonly value: number;
  readonly rows?: Int32Array;
}

/** @inline A typed array over native memory. */
export type NativeTypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array;

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

export interface Addon extends ReadoutCalls {
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

  // Tensors
  tensorEmpty(shape: readonly number[], dtype: DtypeName, device: string): TensorHandle;
  /** Copies; `data`'s element type must be the dtype's (bfloat16 and float16: Uint16Array bits). */
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
  /** As `tensorRead`, on the calling thread (waits for a GPU). */
  tensorReadSync(t: TensorHandle): NativeTypedArray;
  /** Gives `t` its own memory when it shares any with `other`. */
  tensorUnshare(t: TensorHandle, other: TensorHandle): void;
  /** In-place operations on it are refused from now on (weights). */
  tensorFreeze(t: TensorHandle): void;
  /** The small vocabulary: operation name → function over handles, numbers, number lists, booleans. */
  readonly ops: Readonly<Record<string, (...args: unknown[]) => unknown>>;

  // Coders
  coderLoad(
    layout: NativeCoderLayout,
    config: NativeCoderConfig,
    options: { readonly device: string; readonly dtype: DtypeName | "auto" },
    ctx: TaskContext,
  ): Promise<CoderHandle>;
  /**
   * "W_enc", "b_enc", "threshold" of the encoder of a read site, "b_dec", "skip" of a write site,
   * "W_dec" of both: a read-only view.
   */
  coderParameter(coder: CoderHandle, name: string, read: number, write: number): TensorHandle;
  /**
   * Features of xs, [.., width] for each read site: those asked for (ascending ids), else all.
   * `mask` has one byte for each row of x; rows where it is 0 get no features.
   */
  coderEncode(
    coder: CoderHandle,
    xs: readonly TensorHandle[],
    only: Int32Array | null,
    mask: Uint8Array | null,
    ctx: TaskContext,
  ): Promise<FeaturesHandle>;
  /**
   * For each write site f·W_dec + b_dec (+ x·A where there is a skip connection: xs are then
   * required).
   */
  coderDecode(
    coder: CoderHandle,
    features: FeaturesHandle,
    xs: readonly TensorHandle[] | null,
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;
  /** decode(encode(xs)) in one task, in the dtype of the first. */
  coderForward(
    coder: CoderHandle,
    xs: readonly TensorHandle[],
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;
  /**
   * base + (after − before)·W_dec for each write site, in base's dtype; equal rows stay bit for bit.
   */
  coderApplyEdit(
    coder: CoderHandle,
    bases: readonly TensorHandle[],
    before: FeaturesHandle,
    after: FeaturesHandle,
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;

  /**
   * ⟨g[row], W_dec[feature]⟩ at each entry, summed over the write sites: each g has one row for each
   * row of the features.
   */
  coderDots(
    coder: CoderHandle,
    features: FeaturesHandle,
    gs: readonly TensorHandle[],
    ctx: TaskContext,
  ): Promise<FeaturesHandle>;

  // Features (CSR over batch · pos)
  featuresInfo(f: FeaturesHandle): { shape: number[]; nnz: number; dSae: number; device: string };
  featuresRead(
    f: FeaturesHandle,
    ctx: TaskContext,
  ): Promise<{ indptr: Int32Array; indices: Int32Array; values: Float32Array }>;
  /** The same at once on the calling thread, with edits applied. */
  featuresReadSync(
    f: FeaturesHandle,
    edits: readonly NativeFeatureEdit[],
  ): { indptr: Int32Array; indices: Int32Array; values: Float32Array };
  /** [.., dSae] float32. */
  featuresToDense(f: FeaturesHandle, ctx: TaskContext): Promise<TensorHandle>;
  /** A new set with the edits applied in order. */
  featuresEdit(
    f: FeaturesHandle,
    edits: readonly NativeFeatureEdit[],
    ctx: TaskContext,
  ): Promise<FeaturesHandle>;

  /** Rows begin … end−1 under another leading shape. */
  featuresSlice(
    f: FeaturesHandle,
    begin: number,
    end: number,
    shape: readonly number[],
    ctx: TaskContext,
  ): Promise<FeaturesHandle>;

  // Gradients of the small vocabulary
  /** Whether this thread's operations are recorded for gradients; returns what it was. Off at first. */
  gradMode(on: boolean): boolean;
  /** A tensor with the same values whose uses are recorded. */
  gradTrack(t: TensorHandle): TensorHandle;
  /** The gradient of `scalar` (one element) at a tracked tensor; ARGUMENT when it does not depend on it. */
  gradOf(scalar: TensorHandle, tracked: TensorHandle): TensorHandle;

  // Model
  modelLoad(
    config: NativeModelConfig,
    tensors: readonly NativeTensorSource[],
    options: { readonly device: string; readonly dtype: DtypeName | "auto" },
    ctx: TaskContext,
  ): Promise<ModelHandle>;
  /** `tied`: the unembedding is the embedding, as the checkpoint has no head or an equal one. */
  modelInfo(model: ModelHandle): {
    dtype: DtypeName;
    device: string;
    bytes: number;
    tied: boolean;
  };
  /**
   * A view by the neutral checkpoint name, e.g. "layers.3.self_attn.q_proj", "embed_tokens";
   * "lm_head" is there for tied models too. Read-only.
   */
  modelParameter(model: ModelHandle, name: string): TensorHandle;
  /** Retains its coders and tensors. What a step of a generation compiled serves the next. */
  editsCreate(edits: NativeEditList): EditsHandle;
  modelRun(
    model: ModelHandle,
    request: NativeRunRequest,
    ctx: TaskContext,
  ): Promise<NativeRunResult>;
  /** As `modelRun`, with gradients of one number. */
  modelGradients(
    model: ModelHandle,
    request: NativeRunRequest,
    gradients: NativeGradients,
    ctx: TaskContext,
  ): Promise<NativeGradientResult>;
  /** Token embeddings times √d_model: [batch, pos, dModel]. */
  modelEmbed(
    model: ModelHandle,
    tokens: Int32Array,
    batch: number,
    pos: number,
    ctx: TaskContext,
  ): Promise<TensorHandle>;
  /** The final RMSNorm with its gain, of [.., dModel]. */
  modelFinalNorm(model: ModelHandle, x: TensorHandle, ctx: TaskContext): Promise<TensorHandle>;
  /** Logits of a normed residual [.., dModel], soft cap included: [.., dVocab]. */
  modelUnembed(model: ModelHandle, x: TensorHandle, ctx: TaskContext): Promise<TensorHandle>;
  /**
   * An empty key-value cache for `batch` rows; grows up to `capacity` positions, by `block` at least
   * (default 256), and to `maxBytes` at most. A run that finds no room rejects with OUT_OF_MEMORY
   * before it changes anything.
   */
  kvCacheCreate(
    model: ModelHandle,
    batch: number,
    capacity: number,
    growth?: { readonly block?: number; readonly maxBytes?: number },
  ): KvCacheHandle;
  kvCacheLength(cache: KvCacheHandle): number;
  /** Resolves when everything submitted before it on this device has run. */
  drain(device: string): Promise<void>;
}
