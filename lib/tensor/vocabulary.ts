/**
 * The small vocabulary: one table of every tensor operation that a hook or a script needs. The methods of
 * `Tensor` and their types (methods.ts), the checks of their arguments (operation.ts) and the table in the
 * docs are derived from it. The operations run synchronously on the calling thread; heavy work is a task
 * of a model or a coder.
 */

/**
 * The kind of an argument: "operand" is a tensor that broadcasts, or one number; "indices" an integer
 * tensor or a list; "dims" one dimension or several, negative from the end; "integers" a list.
 */
export type ArgumentKind =
  | "tensor"
  | "tensors"
  | "operand"
  | "indices"
  | "integer"
  | "integers"
  | "dims"
  | "number"
  | "boolean"
  | "dtype"
  | "device";

/** Name and kind of an argument, and the default of an optional one (null: libtorch's own). */
export type ArgumentSpec =
  | readonly [name: string, kind: ArgumentKind]
  | readonly [name: string, kind: ArgumentKind, fallback: Default];
export type Default = number | boolean | null;

export interface Operation {
  /** Positional arguments after the tensor, with the labelled tuple of their kinds as phantom type. */
  readonly args: readonly ArgumentSpec[] & { readonly kinds?: readonly unknown[] };
  /** Named arguments, native order, after the positional ones: [kind, default]. */
  readonly options?: Readonly<Record<string, readonly [ArgumentKind, Default]>>;
  /**
   * "same": this tensor's axes · "tensor": others · "this": changed in place · "pair": values and
   * indices · "boolean" · "scalar".
   */
  readonly result: "same" | "tensor" | "this" | "pair" | "boolean" | "scalar";
  /** A bare dtype or device may replace the options. */
  readonly shorthand?: true;
  /** A free function instead of a method. */
  readonly free?: true;
}

type SpecsOf<Kinds extends readonly unknown[]> = {
  readonly [I in keyof Kinds]: readonly [name: string, kind: Kinds[I], fallback?: Default];
};

/** Ties the run-time specs to a labelled tuple, so that editors show the arguments' names. */
function args<const Kinds extends readonly unknown[]>(...specs: SpecsOf<Required<Kinds>>) {
  return specs as unknown as readonly ArgumentSpec[] & { readonly kinds?: Kinds };
}

const none = args<[]>();
const other = args<[other: "operand"]>(["other", "operand"]);
const oneDim = args<[dim?: "integer"]>(["dim", "integer", -1]);
const reduction = {
  /** The dimensions that are reduced, negative from the end. Default: all. */
  dim: ["dims", null],
  /** Keeps them with size 1. Default false. */
  keepdim: ["boolean", false],
} as const;
const reductionOverOne = {
  /** The dimension that is reduced, negative from the end. Default: all. */
  dim: ["integer", null],
  /** Keeps it with size 1. Default false. */
  keepdim: ["boolean", false],
} as const;

export const vocabulary = {
  /** The elements in row-major order under another shape; one size may be −1. Shares memory if it can. */
  reshape: { args: args<[shape: "integers"]>(["shape", "integers"]), result: "tensor" },
  /** The dimensions in another order. Shares memory. */
  permute: { args: args<[dims: "integers"]>(["dims", "integers"]), result: "tensor" },
  /** Two dimensions exchanged. Shares memory. */
  transpose: {
    args: args<[dim0: "integer", dim1: "integer"]>(["dim0", "integer"], ["dim1", "integer"]),
    result: "tensor",
  },
  /** Elements start, start + step, … below `end` of `dim`; negative counts from the end. Shares memory. */
  slice: {
    args: args<[dim: "integer", start: "integer", end?: "integer", step?: "integer"]>(
      ["dim", "integer"],
      ["start", "integer"],
      ["end", "integer", null],
      ["step", "integer", 1],
    ),
    result: "tensor",
  },
  /** Element `index` of `dim`, which disappears. Shares memory. */
  select: {
    args: args<[dim: "integer", index: "integer"]>(["dim", "integer"], ["index", "integer"]),
    result: "tensor",
  },
  /** The elements of `dim` with these indices, in this order. Copies. */
  index: {
    args: args<[dim: "integer", indices: "indices"]>(["dim", "integer"], ["indices", "indices"]),
    result: "tensor",
  },
  /** A new dimension of size 1 at `dim`. Shares memory. */
  unsqueeze: { args: args<[dim: "integer"]>(["dim", "integer"]), result: "tensor" },
  /** Without dimension `dim` if its size is 1; without every such one if no `dim`. Shares memory. */
  squeeze: { args: args<[dim?: "integer"]>(["dim", "integer", null]), result: "tensor" },
  /** Dimensions of size 1 repeated without a copy; −1 keeps a size. Shares memory. */
  expand: { args: args<[shape: "integers"]>(["shape", "integers"]), result: "tensor" },
  /** In row-major order. Shares memory if it is already. */
  contiguous: { args: none, result: "same" },
  /** Tensors joined along a dimension that they have. */
  cat: {
    args: args<[tensors: "tensors", dim?: "integer"]>(
      ["tensors", "tensors"],
      ["dim", "integer", 0],
    ),
    result: "tensor",
    free: true,
  },
  /** Tensors of one shape joined along a new dimension. */
  stack: {
    args: args<[tensors: "tensors", dim?: "integer"]>(
      ["tensors", "tensors"],
      ["dim", "integer", 0],
    ),
    result: "tensor",
    free: true,
  },

  /** this + other, broadcast; an integer tensor and a number with a fraction give float32. */
  add: { args: other, result: "same" },
  /** this − other, broadcast. */
  sub: { args: other, result: "same" },
  /** this · other element by element, broadcast. */
  mul: { args: other, result: "same" },
  /** this / other, broadcast; integers divide to float32. */
  div: { args: other, result: "same" },
  /** this += other, in place. */
  add_: { args: other, result: "this" },
  /** this −= other, in place. */
  sub_: { args: other, result: "this" },
  /** this ·= other, in place. */
  mul_: { args: other, result: "this" },
  /** this /= other, in place. */
  div_: { args: other, result: "this" },
  /** −this. */
  neg: { args: none, result: "same" },
  /** eˣ. */
  exp: { args: none, result: "same" },
  /** Natural logarithm. */
  log: { args: none, result: "same" },
  /** √x. */
  sqrt: { args: none, result: "same" },
  /** Hyperbolic tangent. */
  tanh: { args: none, result: "same" },
  /** |x|. */
  abs: { args: none, result: "same" },
  /** max(x, 0). */
  relu: { args: none, result: "same" },
  /** 1 / (1 + e⁻ˣ). */
  sigmoid: { args: none, result: "same" },
  /** xᵉ. */
  pow: { args: args<[exponent: "number"]>(["exponent", "number"]), result: "same" },
  /** Bounded below by `min` and above by `max`; at least one is needed. */
  clamp: {
    args: none,
    options: {
      /** Smaller elements become this. */
      min: ["number", null],
      /** Larger elements become this. */
      max: ["number", null],
    },
    result: "same",
  },
  /** Matrix product over the last two dimensions, the others broadcast; vectors as in NumPy. */
  matmul: { args: args<[other: "tensor"]>(["other", "tensor"]), result: "tensor" },

  /** Sum over `dim` (default: all). */
  sum: { args: none, options: reduction, result: "tensor" },
  /** Mean over `dim` (default: all). */
  mean: { args: none, options: reduction, result: "tensor" },
  /**
   * Largest value over `dim` (default: all); values only, `argmax` gives where. NaN if there is one,
   * as in PyTorch.
   */
  max: { args: none, options: reductionOverOne, result: "tensor" },
  /** Smallest value over `dim` (default: all); values only. NaN if there is one, as in PyTorch. */
  min: { args: none, options: reductionOverOne, result: "tensor" },
  /**
   * Index of the largest value along `dim`, int64; without `dim`, in the flattened tensor. The first
   * NaN counts as the largest, as in PyTorch.
   */
  argmax: { args: none, options: reductionOverOne, result: "tensor" },
  /** (Σ|x|ᵖ)^(1/p) over `dim` (default: all), p = 2 unless given. */
  norm: {
    args: none,
    options: {
      /** The exponent. Default 2. */
      p: ["number", 2],
      ...reduction,
    },
    result: "tensor",
  },
  /** eˣ / Σeˣ along `dim` (default: the last). */
  softmax: { args: oneDim, result: "same" },
  /** x − log Σeˣ along `dim` (default: the last). */
  logSoftmax: { args: oneDim, result: "same" },
  /**
   * The k largest values along `dim` (default: the last) in descending order, with their indices
   * (int64). NaN counts as the largest, as in PyTorch.
   */
  topk: {
    args: args<[k: "integer"]>(["k", "integer"]),
    options: {
      /** The dimension, negative from the end. Default −1. */
      dim: ["integer", -1],
      /** False: the smallest values, ascending. Default true. */
      largest: ["boolean", true],
    },
    result: "pair",
  },

  /** this > other as bool, broadcast. */
  gt: { args: other, result: "same" },
  /** this < other as bool, broadcast. */
  lt: { args: other, result: "same" },
  /** this ≥ other as bool, broadcast. */
  ge: { args: other, result: "same" },
  /** this ≤ other as bool, broadcast. */
  le: { args: other, result: "same" },
  /** this = other as bool, broadcast. */
  eq: { args: other, result: "same" },
  /** this ≠ other as bool, broadcast. */
  ne: { args: other, result: "same" },
  /** `a` where the bool tensor `condition` holds, else `b`; broadcast. */
  where: {
    args: args<[condition: "tensor", a: "operand", b: "operand"]>(
      ["condition", "tensor"],
      ["a", "operand"],
      ["b", "operand"],
    ),
    result: "tensor",
    free: true,
  },

  /** With another dtype or on another device: `x.to("float32")`, `x.to({ device: "cuda:0" })`. Copies if either differs. */
  to: {
    args: none,
    options: {
      /** The element type. Default: its own. */
      dtype: ["dtype", null],
      /** "cpu", "cuda" or "cuda:1". Default: its own. */
      device: ["device", null],
    },
    result: "same",
    shorthand: true,
  },
  /** A copy with its own memory. */
  clone: { args: none, result: "same" },
  /** Takes over another tensor's values, broadcast, in this dtype. In place. */
  copy_: { args: args<[source: "tensor"]>(["source", "tensor"]), result: "this" },
  /** Sets every element to one value. In place. */
  fill_: { args: args<[value: "number"]>(["value", "number"]), result: "this" },
  /** Whether |this − other| ≤ atol + rtol·|other| everywhere (NaN is never close). */
  allClose: {
    args: args<[other: "tensor"]>(["other", "tensor"]),
    options: {
      /** Relative to |other|. Default 1e-5. */
      rtol: ["number", 1e-5],
      /** Absolute. Default 1e-8. */
      atol: ["number", 1e-8],
    },
    result: "boolean",
  },
  /** The only element: number, bigint for int64, boolean for bool. Waits for a GPU. */
  item: { args: none, result: "scalar" },
} as const satisfies Record<string, Operation>;

export type Vocabulary = typeof vocabulary;
export type OperationName = keyof Vocabulary;
