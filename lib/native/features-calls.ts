import type { FeaturesHandle, TaskContext, TensorHandle } from "./handles.js";

/** One edit of features: set, add or zero `feature` at the given rows (flattened batch·pos); absent: all rows. */
export interface NativeFeatureEdit {
  readonly op: "set" | "add" | "zero";
  readonly feature: number;
  readonly value: number;
  readonly rows?: Int32Array;
}

/** The addon's functions over sparse features: CSR over batch · pos. */
export interface FeaturesCalls {
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
}
