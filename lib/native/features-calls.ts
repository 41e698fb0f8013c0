import type { FeaturesHandle, TaskContext, TensorHandle } from "./handles.js";

/** One edit of features: set, add or zero `feature` at the given rows (flattened batch·pos); absent: all rows. */
export interface NativeFeatureEdit {
  readonly op: "set" | "add" | "zero";
  readonly feature: number;
  readonly value: number;
  readonly rows?: Int32Array;
}

/** Features as the core gives them: their handle, and what is read of every set. */
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
  ): Promise<NativeFeatures>;

  /** Rows begin … end−1 under another leading shape. */
  featuresSlice(
    f: FeaturesHandle,
    begin: number,
    end: number,
    shape: readonly number[],
    ctx: TaskContext,
  ): Promise<NativeFeatures>;
}
