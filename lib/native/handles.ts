/** The types that all calls share: handles, a task's context, element types. */

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

export interface TaskContext {
  /** The hook call that submitted the task; 0 for none. */
  readonly call: number;
  /** The caller's id for `abort`; 0 for none. */
  readonly task: number;
}

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
