import type { ModelHandle, TaskContext, TensorHandle } from "./handles.js";

/** Top tokens and chosen tokens of each row of logits. */
export interface NativeReadout {
  /** rows · topK, by descending logit. */
  readonly tokens: Int32Array;
  readonly logits: Float64Array;
  readonly logprobs: Float64Array;
  /** rows · targets: logit, log-probability and rank (0: the highest) of each target token. */
  readonly targetLogits: Float64Array;
  readonly targetLogprobs: Float64Array;
  readonly targetRanks: Int32Array;
}

/** Per row of x and x̂ [rows, d_out], and the sum of x over rows [d_out]. */
export interface NativeRebuiltStatistics {
  /** Σ_d (x − x̂)². */
  readonly error: Float64Array;
  /** Σ_d x². */
  readonly square: Float64Array;
  /** Σ_d x̂². */
  readonly made: Float64Array;
  /** Σ_d x·x̂. */
  readonly dot: Float64Array;
  readonly sums: Float64Array;
}

/** The addon's readouts of logits, residual vectors and activations. */
export interface ReadoutCalls {
  /**
   * The `topK` highest of each row of logits [.., d_vocab], and the ranks of `targets`.
   *
   * @throws ARGUMENT if a row has no order; the field `row` names it
   */
  logitsReadout(
    logits: TensorHandle,
    options: { readonly topK: number; readonly targets: Int32Array },
    ctx: TaskContext,
  ): Promise<NativeReadout>;
  /**
   * Sends x [.., dModel] through the final norm (optional), the unembedding and the soft cap (optional),
   * a few hundred rows of logits at a time.
   */
  modelReadout(
    model: ModelHandle,
    x: TensorHandle,
    options: {
      readonly finalNorm: boolean;
      readonly softCap: boolean;
      readonly topK: number;
      readonly targets: Int32Array;
    },
    ctx: TaskContext,
  ): Promise<NativeReadout>;
  /**
   * Compares normed residuals (`unembed.hook_in`) [.., dModel] of several runs over the same tokens:
   * each run's loss per row, and KL(softmax of the first ‖ softmax of this run) per row. `targets` has
   * the next token of each row, −1 for none (both numbers are 0 there). Results are
   * [normed.length · rows].
   */
  modelCompare(
    model: ModelHandle,
    normed: readonly TensorHandle[],
    targets: Int32Array,
    ctx: TaskContext,
  ): Promise<{ readonly loss: Float32Array; readonly kl: Float32Array }>;
  /**
   * Compares x with a coder's reconstruction x̂, both [rows, d_out], in float64: per row Σ(x − x̂)², Σx²,
   * Σx̂², Σx·x̂; and the sum of x over rows, [d_out].
   */
  rebuiltStatistics(
    x: TensorHandle,
    rebuilt: TensorHandle,
    ctx: TaskContext,
  ): Promise<NativeRebuiltStatistics>;
  /**
   * The outputs of heads ([batch, pos, heads, d_head] · [heads, d_head, d_model]) or neurons ([batch,
   * pos, d_mlp] · [d_mlp, d_model]), times gain [d_model] ÷ scale [batch, pos, 1]: [part, batch, pos,
   * d_model].
   */
  residualParts(
    kind: "heads" | "neurons",
    act: TensorHandle,
    weight: TensorHandle,
    gain: TensorHandle,
    scale: TensorHandle,
    dtype: string,
    ctx: TaskContext,
  ): Promise<TensorHandle>;
  /**
   * (source − own) · gradient, summed over all axes but positions and heads: [pos · heads], float64.
   * `headAxis` is 1 or 2, or 0 without heads.
   */
  patchEstimates(
    source: TensorHandle,
    own: TensorHandle,
    gradient: TensorHandle,
    headAxis: number,
    ctx: TaskContext,
  ): Promise<Float64Array>;
}
