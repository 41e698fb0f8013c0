import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { DtypeName, NativeTypedArray } from "../native/addon.js";
import type { Scalar } from "./methods.js";

/** An element, or nested arrays of elements. */
export type Nested = Scalar | Nested[];
/** The input of `tensor`: elements of one type in nested arrays of equal lengths. */
export type NestedInput = Scalar | readonly NestedInput[];

/** Nests row-major elements in arrays of `shape`. */
export function nest(data: NativeTypedArray, shape: readonly number[], dtype: DtypeName): Nested {
  let next = 0;
  const element = (): Scalar => {
    const value = data[next++] as number | bigint;
    return dtype === "bool" ? value !== 0 : value;
  };
  const build = (dim: number): Nested => {
    const size = shape[dim];
    if (size === undefined) return element();
    const list: Nested[] = [];
    for (let i = 0; i < size; i++) list.push(build(dim + 1));
    return list;
  };
  return build(0);
}

/** Flattens nested arrays into one row-major list and its shape. Throws SHAPE if rows differ in length or depth. */
export function flatten(values: NestedInput): { flat: Scalar[]; shape: number[] } {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (shape.length > 64) throw ragged(shape, "deeper nesting");
  }
  const flat: Scalar[] = [];
  const walk = (value: unknown, dim: number): void => {
    if (dim === shape.length) {
      if (Array.isArray(value)) throw ragged(shape, "a longer nesting");
      flat.push(value as Scalar);
      return;
    }
    if (!Array.isArray(value)) throw ragged(shape, "a shorter nesting");
    if (value.length !== shape[dim]) throw ragged(shape, `a row of ${value.length}`);
    for (const part of value) walk(part, dim + 1);
  };
  walk(values, 0);
  return { flat, shape };
}

/** Converts elements to a typed array of `dtype`, or of float32 for 16-bit floats. */
export function toTypedArray(
  values: readonly Scalar[],
  dtype: DtypeName,
): { data: NativeTypedArray; dtype: DtypeName } {
  const type = typeof values[0];
  for (const value of values) {
    const ok = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
    if (!ok || typeof value !== type) {
      throw new GemlensError(
        "ARGUMENT",
        sentence(
          "tensor",
          "only numbers, only bigints or only booleans",
          "values",
          `${type} and ${value === null ? "null" : typeof value}`,
        ),
      );
    }
  }
  switch (dtype) {
    case "float64":
      return { data: Float64Array.from(values, Number), dtype };
    case "int32":
      return {
        data: Int32Array.from(whole(values, -(2n ** 31n), 2n ** 31n, dtype), Number),
        dtype,
      };
    case "uint8":
      return { data: Uint8Array.from(whole(values, 0n, 256n, dtype), Number), dtype };
    case "int64":
      return { data: BigInt64Array.from(whole(values, -(2n ** 63n), 2n ** 63n, dtype)), dtype };
    case "bool":
      return { data: Uint8Array.from(values, (value) => (value ? 1 : 0)), dtype };
    default:
      return { data: Float32Array.from(values, Number), dtype: "float32" };
  }
}

function whole(values: readonly Scalar[], from: bigint, below: bigint, dtype: DtypeName): bigint[] {
  return values.map((value) => {
    if (typeof value !== "number" || Number.isInteger(value)) {
      const integer = BigInt(value);
      if (integer >= from && integer < below) return integer;
    }
    throw new GemlensError(
      "ARGUMENT",
      sentence("tensor", `integers of ${from} to ${below - 1n}`, dtype, value),
      { dtype },
    );
  });
}

function ragged(shape: readonly number[], got: string): GemlensError {
  return new GemlensError(
    "SHAPE",
    sentence("tensor", `rows of equal shape [${shape.join(", ")}]`, "values", got),
    { shape },
  );
}
