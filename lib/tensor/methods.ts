import type { DtypeName } from "../native/addon.js";
import type { Tensor } from "./tensor.js";
import type { ArgumentKind, Operation, OperationName, Vocabulary } from "./vocabulary.js";

/** "cpu", "cuda" (the first) or "cuda:1". */
export type Device = "cpu" | "cuda" | `cuda:${number}`;
/** An element: a bigint of int64, a boolean of bool, else a number. */
export type Scalar = number | bigint | boolean;

interface ArgumentTypes {
  tensor: Tensor;
  tensors: readonly Tensor[];
  operand: Tensor | number;
  indices: Tensor | readonly number[];
  integer: number;
  integers: readonly number[];
  dims: number | readonly number[];
  number: number;
  boolean: boolean;
  dtype: DtypeName;
  // Editors complete it, and a variable of type string compiles too; it is checked at run time.
  device: Device | (string & {});
}

interface ResultTypes<Axes extends readonly string[]> {
  same: Tensor<Axes>;
  this: Tensor<Axes>;
  tensor: Tensor;
  pair: {
    /** The values. */
    values: Tensor;
    /** Their indices along the dimension, int64. */
    indices: Tensor;
  };
  boolean: boolean;
  scalar: Scalar;
}

type Positional<Kinds extends readonly unknown[]> = {
  [I in keyof Kinds]: Kinds[I] extends ArgumentKind | undefined
    ? ArgumentTypes[Exclude<Kinds[I], undefined>]
    : never;
};

type KindsOf<Op extends Operation> = Op["args"] extends { readonly kinds?: infer Kinds }
  ? Kinds extends readonly unknown[]
    ? Kinds
    : []
  : [];

type TypeOf<Spec> = Spec extends readonly [infer Kind extends ArgumentKind, unknown]
  ? ArgumentTypes[Kind] | undefined
  : never;

// Each branch spells out the options, so that editors show them instead of an alias.
type ArgumentsOf<Op extends Operation> = Op extends {
  readonly options: infer O extends NonNullable<Operation["options"]>;
}
  ? Op extends { readonly shorthand: true }
    ? [target: { [K in keyof O]?: TypeOf<O[K]> } | DtypeName | Device]
    : [...Positional<KindsOf<Op>>, options?: { [K in keyof O]?: TypeOf<O[K]> }]
  : [...Positional<KindsOf<Op>>];

type Method<Op extends Operation, Axes extends readonly string[]> = (
  ...args: ArgumentsOf<Op>
) => ResultTypes<Axes>[Op["result"]];

type FreeName = {
  [Name in OperationName]: Vocabulary[Name] extends { readonly free: true } ? Name : never;
}[OperationName];

type Methods = Omit<Vocabulary, FreeName>;

/** The vocabulary as methods of `Tensor`. An operation that keeps the shape keeps the axes. */
export type TensorMethods<Axes extends readonly string[]> = {
  [Name in keyof Methods]: Method<Methods[Name], Axes>;
};

/** The vocabulary's free functions: `cat`, `stack`, `where`. */
export type TensorFunctions = {
  [Name in FreeName]: Method<Vocabulary[Name], readonly string[]>;
};
