import { argument } from "../errors/check-options.js";
import type { DtypeName, NativeTypedArray } from "../native/addon.js";

/** A small tensor as `JSON.stringify` writes it. */
export interface TensorJson {
  /** Sizes of the dimensions. */
  readonly shape: readonly number[];
  /** The element type. */
  readonly dtype: DtypeName;
  /** The elements in row-major order; a value that is not a JSON number is a string. */
  readonly values: readonly (number | string | boolean)[];
}

const MOST = 1000;

/** Writes NaN and infinities by their names, because JSON.stringify would write null. */
export function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** `jsonNumber` of every number in plain data; typed arrays become arrays. */
export function plainJson(value: unknown): unknown {
  if (typeof value === "number") return jsonNumber(value);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as unknown as ArrayLike<unknown>, plainJson);
  }
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plainJson(part)]));
}

/** Adds a hidden `toJSON` to plain data; spreads do not copy it and deep comparisons ignore it. */
export function withJson<T extends object>(value: T, toJSON: () => unknown): T {
  return Object.defineProperty(value, "toJSON", { value: toJSON });
}

export function tensorToJson(
  shape: readonly number[],
  dtype: DtypeName,
  size: number,
  read: () => NativeTypedArray,
): TensorJson {
  if (size > MOST) {
    const got = `${size.toLocaleString("en-US")} ([${shape.join(", ")}])`;
    const advice = "take a part with slice(…), or write it to a file with saveTensors";
    throw argument("toJSON", "at most 1,000 elements", "a tensor in JSON", `${got}; ${advice}`, {
      shape,
    });
  }
  const element = (value: number | bigint): number | string | boolean => {
    if (dtype === "bool") return Number(value) !== 0;
    if (typeof value === "number") return jsonNumber(value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  };
  const values = Array.from(read() as ArrayLike<number | bigint>, element);
  return { shape, dtype, values };
}
