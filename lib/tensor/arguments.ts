import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import type { TensorHandle } from "../native/addon.js";
import { dtypeNames } from "./dtype.js";
import type { Tensor } from "./tensor.js";
import type { ArgumentKind, Default } from "./vocabulary.js";

/** The part of `Tensor` that checks of arguments use. */
export interface HandleSource {
  isTensor(value: unknown): value is Tensor;
  /** Throws ARGUMENT if `value` is not a tensor, DISPOSED if it was disposed. */
  handleOf(value: unknown, caller: string, argument: string): TensorHandle;
}

/** Checks one argument and returns its native form; a list of indices becomes an Int32Array. */
export function lower(
  access: HandleSource,
  name: string,
  argument: string,
  kind: ArgumentKind,
  value: unknown,
  fallback: readonly Default[],
): unknown {
  if (value === undefined && fallback.length > 0) return fallback[0];
  switch (kind) {
    case "tensor":
      return access.handleOf(value, name, argument);
    case "tensors":
      if (!Array.isArray(value)) throw wrong(name, "an array of tensors", argument, value);
      return value.map((item, i) => access.handleOf(item, name, `${argument}[${i}]`));
    case "operand":
      if (typeof value === "number") return value;
      if (access.isTensor(value)) return access.handleOf(value, name, argument);
      throw wrong(name, "a tensor or a number", argument, value);
    case "indices":
      if (access.isTensor(value)) return access.handleOf(value, name, argument);
      return Int32Array.from(integers(name, argument, value), (index) => {
        if (index === (index | 0)) return index;
        throw wrong(name, "32-bit indices", argument, index);
      });
    case "integer":
      if (!Number.isSafeInteger(value)) throw wrong(name, "an integer", argument, value);
      return value;
    case "integers":
      return integers(name, argument, value);
    case "dims":
      return typeof value === "number"
        ? integers(name, argument, [value])
        : integers(name, argument, value);
    case "number":
      if (typeof value !== "number") throw wrong(name, "a number", argument, value);
      return value;
    case "boolean":
      if (typeof value !== "boolean") throw wrong(name, "true or false", argument, value);
      return value;
    case "dtype":
      if (typeof value !== "string" || !dtypeNames.has(value)) {
        throw wrong(name, `one of ${[...dtypeNames].join(", ")}`, argument, value);
      }
      return value;
    case "device":
      return checkDevice(name, value);
  }
}

/** Checks and copies a list of safe integers. */
export function integers(caller: string, argument: string, value: unknown): number[] {
  if (Array.isArray(value) && value.every((item) => Number.isSafeInteger(item))) return [...value];
  throw wrong(caller, "a list of integers", argument, value);
}

/** Checks a device: "cpu", "cuda" or "cuda:N". */
export function checkDevice(caller: string, value: unknown): string {
  if (typeof value === "string" && /^(cpu|cuda(:\d+)?)$/.test(value)) return value;
  throw wrong(caller, `"cpu", "cuda" or "cuda:N"`, "device", value);
}

/** An ARGUMENT error such as `sum: expected true or false for keepdim, got 1`. */
export function wrong(
  caller: string,
  expected: string,
  argument: string,
  got: unknown,
): GemlensError {
  return new GemlensError("ARGUMENT", sentence(caller, expected, argument, shortly(got)), {
    argument,
    expected,
  });
}
