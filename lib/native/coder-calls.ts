import type { NativeCoderConfig, NativeCoderLayout } from "./coder-layout.js";
import type { NativeFeatures } from "./features-calls.js";
import type {
  CoderHandle,
  DtypeName,
  FeaturesHandle,
  TaskContext,
  TensorHandle,
} from "./handles.js";

/** The addon's functions of a coder: loading, encoding, decoding, edits. */
export interface CoderCalls {
  coderLoad(
    layout: NativeCoderLayout,
    config: NativeCoderConfig,
    options: { readonly device: string; readonly dtype: DtypeName | "auto" },
    ctx: TaskContext,
  ): Promise<CoderHandle>;
  /**
   * Returns a read-only view of a parameter: "W_enc", "b_enc" and "threshold" of a read site's encoder,
   * "b_dec" and "skip" of a write site, "W_dec" of both.
   */
  coderParameter(coder: CoderHandle, name: string, read: number, write: number): TensorHandle;
  /** A feature's decoder row at a write site, [width]: read-only. */
  coderDecoderRow(coder: CoderHandle, feature: number, write: number): TensorHandle;
  /**
   * Encodes xs, [.., width] for each read site. `only` has ascending feature ids; null: all. `mask` has
   * one byte for each row of x; rows where it is 0 get no features.
   */
  coderEncode(
    coder: CoderHandle,
    xs: readonly TensorHandle[],
    only: Int32Array | null,
    mask: Uint8Array | null,
    ctx: TaskContext,
  ): Promise<NativeFeatures>;
  /**
   * For each write site f·W_dec + b_dec (+ x·A if it has a skip connection, which requires xs).
   */
  coderDecode(
    coder: CoderHandle,
    features: FeaturesHandle,
    xs: readonly TensorHandle[] | null,
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;
  /** decode(encode(xs)) in one task, in the dtype of the first x. */
  coderForward(
    coder: CoderHandle,
    xs: readonly TensorHandle[],
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;
  /**
   * For each write site base + (after − before)·W_dec of the features whose edits are added there, in
   * base's dtype. Unedited rows stay the same bit for bit.
   */
  coderApplyEdit(
    coder: CoderHandle,
    bases: readonly TensorHandle[],
    before: FeaturesHandle,
    after: FeaturesHandle,
    ctx: TaskContext,
  ): Promise<TensorHandle[]>;

  /**
   * ⟨g[row], W_dec[feature]⟩ at each entry, summed over the write sites where edits of the feature
   * are added. `gs` has one tensor for each write site, with one row for each row of the features.
   */
  coderDots(
    coder: CoderHandle,
    features: FeaturesHandle,
    gs: readonly TensorHandle[],
    ctx: TaskContext,
  ): Promise<NativeFeatures>;
}
