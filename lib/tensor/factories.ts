import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { DtypeName, NativeTypedArray, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { checkDevice, integers, wrong } from "./arguments.js";
import { dtypeNames } from "./dtype.js";
import { adopt } from "./internal.js";
import type { Device, Scalar } from "./methods.js";
import { flatten, type NestedInput, toTypedArray } from "./nest.js";
import { freeFunctions, nativeOperations } from "./operation.js";
import { access, type Tensor } from "./tensor.js";

/** Dtype and device of a new tensor. */
export interface TensorOptions {
  /** Default: "float32"; for `tensor` and `full` the type of the values. */
  readonly dtype?: DtypeName | undefined;
  /** Default: "cpu". */
  readonly device?: Device | (string & {}) | undefined;
}

export const {
  /** Joins tensors along an existing dimension (default: the first). Throws ARGUMENT if they do not fit. */
  cat,
  /** Joins tensors of one shape along a new dimension (default: the first). Throws ARGUMENT if they do not fit. */
  stack,
  /** `a` where the bool tensor `condition` is true, else `b`; broadcast. Throws ARGUMENT if they do not fit. */
  where,
} = freeFunctions(access);

/**
 * Returns an uninitialised tensor. Write its `data` to get numbers into a tensor without a copy.
 *
 * @throws SHAPE if a size is negative; ARGUMENT, DEVICE, OUT_OF_MEMORY
 */
export function empty(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return adopt(emptyHandle("empty", shape, options, "float32"));
}

/** A tensor of zeros, float32 by default. Throws as {@link empty}. */
export function zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return filled("zeros", shape, 0, options, "float32");
}

/** A tensor of ones, float32 by default. Throws as {@link empty}. */
export function ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return filled("ones", shape, 1, options, "float32");
}

/**
 * A tensor with one value everywhere: float32 for a number, int64 for a bigint, bool for a boolean.
 * Throws as {@link empty}.
 */
export function full(shape: readonly number[], value: Scalar, options: TensorOptions = {}): Tensor {
  const number = typeof value === "boolean" ? Number(value) : value;
  if (typeof number === "number") {
    return filled("full", shape, number, options, typeof value === "boolean" ? "bool" : "float32");
  }
  if (typeof number !== "bigint" || BigInt(Number(number)) !== number) {
    throw wrong("full", "a number, a boolean or a bigint below 2^53", "value", value);
  }
  return filled("full", shape, Number(number), options, "int64");
}

/**
 * A tensor with these values, copied: nested arrays (numbers make float32, bigints int64, booleans
 * bool) or a typed array (its own dtype; Uint16Array needs "bfloat16" or "float16" and holds bits).
 *
 * @param options dtype and device; `shape` for a typed array or a flat list, default: one dimension
 *
 * @example
 * using matrix = tensor(new Float32Array(6), { shape: [2, 3] });
 * using mask = tensor([true, false, true]);
 * console.log(matrix.shape, mask.dtype); // [2, 3] bool
 *
 * @throws SHAPE if rows are ragged or `shape` has another size
 * @throws ARGUMENT if the dtype can't hold a value
 * @throws DEVICE, OUT_OF_MEMORY
 */
export function tensor(
  values: NestedInput | NativeTypedArray,
  options: TensorOptions & { readonly shape?: readonly number[] | undefined } = {},
): Tensor {
  const { device } = checkOptions("tensor", options, ["shape"]);
  const source = ArrayBuffer.isView(values)
    ? fromView(values, options.dtype)
    : fromNested(values, options.dtype);
  const shape = options.shape === undefined ? source.shape : checkShape("tensor", options.shape);
  const size = shape.reduce((product, n) => product * n, 1);
  if (size !== source.data.length) {
    throw new GemlensError(
      "SHAPE",
      sentence("tensor", `${size} values`, `shape [${shape.join(", ")}]`, source.data.length),
      { shape, values: source.data.length },
    );
  }
  const dtype = options.dtype ?? source.dtype;
  const handle = call("tensor", (addon) => {
    const made = addon.tensorFrom(source.data, shape, source.dtype, device);
    if (dtype === source.dtype) return made;
    try {
      return nativeOperations(addon)["to"]?.(made, dtype, null) as TensorHandle;
    } finally {
      addon.dispose(made);
    }
  });
  return adopt(handle);
}

interface Source {
  readonly data: NativeTypedArray;
  readonly dtype: DtypeName;
  readonly shape: readonly number[];
}

function fromView(values: ArrayBufferView, wanted: DtypeName | undefined): Source {
  const of = (data: NativeTypedArray, dtype: DtypeName): Source => ({
    data,
    dtype,
    shape: [data.length],
  });
  if (values instanceof Float32Array) return of(values, "float32");
  if (values instanceof Float64Array) return of(values, "float64");
  if (values instanceof Int32Array) return of(values, "int32");
  if (values instanceof BigInt64Array) return of(values, "int64");
  if (values instanceof Uint8Array) return of(values, "uint8");
  if (values instanceof Uint16Array && (wanted === "bfloat16" || wanted === "float16")) {
    return of(values, wanted);
  }
  throw wrong(
    "tensor",
    "Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array, or Uint16Array with dtype " +
      '"bfloat16" or "float16"',
    "values",
    values,
  );
}

function fromNested(values: NestedInput, wanted: DtypeName | undefined): Source {
  const { flat, shape } = flatten(values);
  const first = flat[0];
  const natural: DtypeName =
    typeof first === "bigint" ? "int64" : typeof first === "boolean" ? "bool" : "float32";
  return { ...toTypedArray(flat, wanted ?? natural), shape };
}

function filled(
  caller: string,
  shape: readonly number[],
  value: number,
  options: TensorOptions,
  dtype: DtypeName,
): Tensor {
  const handle = emptyHandle(caller, shape, options, dtype);
  try {
    call(caller, (addon) => nativeOperations(addon)["fill_"]?.(handle, value));
  } catch (error) {
    call(caller, (addon) => addon.dispose(handle));
    throw error;
  }
  return adopt(handle);
}

function emptyHandle(
  caller: string,
  shape: readonly number[],
  options: TensorOptions,
  fallback: DtypeName,
): TensorHandle {
  const { dtype = fallback, device } = checkOptions(caller, options, []);
  const sizes = checkShape(caller, shape);
  return call(caller, (addon) => {
    nativeOperations(addon);
    return addon.tensorEmpty(sizes, dtype, device);
  });
}

function checkShape(caller: string, shape: unknown): number[] {
  const sizes = integers(caller, "shape", shape);
  if (sizes.some((n) => n < 0)) {
    throw new GemlensError(
      "SHAPE",
      sentence(caller, "sizes ≥ 0", "shape", `[${sizes.join(", ")}]`),
      { shape: sizes },
    );
  }
  return sizes;
}

function checkOptions(
  caller: string,
  options: unknown,
  extra: readonly string[],
): { dtype: DtypeName | undefined; device: string } {
  if (typeof options !== "object" || options === null) {
    throw wrong(caller, "an options object", "options", options);
  }
  const known = ["dtype", "device", ...extra];
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw wrong(caller, `one of ${known.join(", ")}`, "option", key);
  }
  const { dtype, device = "cpu" } = options as TensorOptions;
  if (dtype !== undefined && !dtypeNames.has(dtype)) {
    throw wrong(caller, `one of ${[...dtypeNames].join(", ")}`, "dtype", dtype);
  }
  return { dtype, device: checkDevice(caller, device) };
}
