import type { FeaturesHandle, TaskContext, TensorHandle } from "./handles.js";

/** One edit: sets, adds to or zeroes `feature` at the given rows (flattened batch · pos); default: all rows. */
export interface NativeFeatureEdit {
  readonly op: "set" | "add" | "zero";
  readonly feature: number;
  readonly value: number;
  readonly rows?: Int32Array;
}

/** Features as the core returns them: their handle, and the numbers that every caller needs. */
export interface NativeFeatures {
  readonly handle: FeaturesHandle;
  /** Leading dimensions of the rows. */
  readonly shape: readonly number[];
  readonly nnz: number;
  readonly dSae: number;
  readonly device: string;
}

/** The addon's functions over sparse features: CSR over batch · pos. */
export interface FeaturesCalls {
  featuresRead(
    f: FeaturesHandle,
    ctx: TaskContext,
  ): Promise<{ indptr: Int32Array; indices: Int32Array; values: Float32Array }>;
  /** As `featuresRead`, on the calling thread, with edits applied. */
  featuresReadSync(
    f: FeaturesHandle,
    edits: readonly NativeFeatureEdit[],
  ): { indptr: Int32Array; indices: Int32Array; values: Float32Array };
  /** [.., dSae] float32. */
  featuresToDense(f: FeaturesHandle, ctx: TaskContext): Promise<TensorHandle>;
  /** Returns a new set with the edits applied in order. */
  featuresEdit(
    f: FeaturesHandle,
    edits: readonly NativeFeatureEdit[],
    ctx: TaskContext,
  ): Promise<NativeFeatures>;

  /** Returns rows begin … end−1 under another leading shape. */
  featuresSlice(
    f: FeaturesHandle,
    begin: number,
    end: number,
    shape: readonly number[],
    ctx: TaskContext,
  ): Promise<NativeFeatures>;
}
