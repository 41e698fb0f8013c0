import type { Tensor } from "../tensor/tensor.js";

declare const sentence: unique symbol;

/** Stands where a tensor is no input of a coder, and says why. */
export interface CoderInputError<Sentence extends string> {
  /** @hidden For the type checker alone. */
  readonly [sentence]: Sentence;
}

// Last axes that no coder reads.
type Unread = {
  key_pos: "a coder does not read attention patterns or scores";
  one: "a coder does not read the scale of a norm";
  d_vocab: "a coder does not read logits";
  d_sae: "these are features already: decode takes them";
};

/**
 * `T` where it is a coder's input or may be one (a plain `Tensor`), else a {@link CoderInputError}: an
 * attention pattern does not compile.
 */
export type CoderInput<T extends Tensor> =
  T extends Tensor<infer Axes>
    ? Axes extends readonly [...string[], infer Last extends keyof Unread]
      ? CoderInputError<Unread[Last]>
      : T
    : T;

/** The axes of what a coder makes of a tensor: its own, with the heads flattened if it has any. */
export type RebuiltAxes<Axes extends readonly string[]> = Axes extends readonly [
  ...infer Leading extends string[],
  "head_index",
  "d_head",
]
  ? readonly [...Leading, "d_out"]
  : Axes;

/** The axes of a tensor's type. */
export type AxesIn<T extends Tensor> = T extends Tensor<infer Axes> ? Axes : readonly string[];
