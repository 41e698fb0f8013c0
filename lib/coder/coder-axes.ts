import type { Tensor } from "../tensor/tensor.js";

declare const sentence: unique symbol;

/** The type of an input that a coder does not take, with the reason. */
export interface CoderInputError<Sentence extends string> {
  /** @hidden For the type checker only. */
  readonly [sentence]: Sentence;
}

// No coder reads a tensor with one of these last axes.
type Unread = {
  key_pos: "a coder does not read attention patterns or scores";
  one: "a coder does not read the scale of a norm";
  d_vocab: "a coder does not read logits";
  d_sae: "these are features already: decode takes them";
};

/**
 * `T` if it is, or may be (a plain `Tensor`), a coder's input, else a {@link CoderInputError}: an
 * attention pattern does not compile.
 */
export type CoderInput<T extends Tensor> =
  T extends Tensor<infer Axes>
    ? Axes extends readonly [...string[], infer Last extends keyof Unread]
      ? CoderInputError<Unread[Last]>
      : T
    : T;

/** The axes of a coder's output: those of its input, with any heads flattened. */
export type RebuiltAxes<Axes extends readonly string[]> = Axes extends readonly [
  ...infer Leading extends string[],
  "head_index",
  "d_head",
]
  ? readonly [...Leading, "d_out"]
  : Axes;

/** The axes of a tensor's type. */
export type AxesIn<T extends Tensor> = T extends Tensor<infer Axes> ? Axes : readonly string[];
