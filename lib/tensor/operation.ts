import { GemlensError } from "../errors/gemlens-error.js";
import type { Addon, TensorHandle } from "../native/addon.js";
import { call, native } from "../native/call.js";
import { type HandleSource, lower, wrong } from "./arguments.js";
import { dtypeNames } from "./dtype.js";
import { inherited } from "./lineage.js";
import type { TensorFunctions } from "./methods.js";
import type { Origin } from "./origin.js";
import type { Tensor } from "./tensor.js";
import { type Operation, type OperationName, vocabulary } from "./vocabulary.js";

/** The part of `Tensor` that the operations use; tensor.ts passes it in. */
export interface TensorAccess extends HandleSource {
  adopt(handle: TensorHandle): Tensor;
  originOf(tensor: Tensor): Origin | undefined;
  setOrigin(tensor: Tensor, origin: Origin | undefined): void;
  /** Whether a hook borrows it: in-place changes do not change its origin. */
  isLent(tensor: Tensor): boolean;
}

/** Adds the vocabulary's methods to a prototype. */
export function attachMethods(prototype: object, access: TensorAccess): void {
  for (const [name, operation] of entries()) {
    if (operation.free) continue;
    const run = compile(name, operation, access);
    const value = function (this: Tensor, ...given: unknown[]): unknown {
      const result = run(access.handleOf(this, name, "this"), given);
      passOn(access, name, operation, [this, ...given], given, result);
      return operation.result === "this" ? this : result;
    };
    Object.defineProperty(value, "name", { value: name });
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}

/** `cat`, `stack` and `where`. */
export function freeFunctions(access: TensorAccess): TensorFunctions {
  const functions: Record<string, unknown> = {};
  for (const [name, operation] of entries()) {
    if (!operation.free) continue;
    const run = compile(name, operation, access);
    functions[name] = (...given: unknown[]) => {
      const result = run(undefined, given);
      passOn(access, name, operation, given.flat(), given, result);
      return result;
    };
  }
  return functions as unknown as TensorFunctions;
}

/** Passes the operands' origin on to the result. */
function passOn(
  access: TensorAccess,
  name: OperationName,
  { result: kind }: Operation,
  operands: readonly unknown[],
  given: readonly unknown[],
  result: unknown,
): void {
  if (kind === "boolean" || kind === "scalar") return;
  const tensors = operands.filter((operand) => access.isTensor(operand));
  if (tensors.every((tensor) => access.originOf(tensor) === undefined)) return;
  const self = tensors[0] as Tensor;
  if (kind === "this" && access.isLent(self)) return;
  const { originOf, isTensor } = access;
  const results =
    kind === "this"
      ? [self]
      : kind === "pair"
        ? Object.values(result as Record<string, Tensor>)
        : [result as Tensor];
  const shaped = results[0] as Tensor;
  const origin = inherited(name, { self, tensors, given, result: shaped, originOf, isTensor });
  for (const tensor of results) access.setOrigin(tensor, origin);
}

/** The native operations, after a check that both sides have the same vocabulary. */
export function nativeOperations(addon: Addon = native()): Addon["ops"] {
  if (addon.ops === checked) return checked;
  const theirs = new Set(Object.keys(addon.ops));
  const missing = Object.keys(vocabulary).filter((name) => !theirs.has(name));
  const extra = [...theirs].filter((name) => !Object.hasOwn(vocabulary, name));
  if (missing.length > 0 || extra.length > 0) {
    throw new GemlensError(
      "INTERNAL",
      `tensor: the native core does not fit this version: it lacks [${missing}], adds [${extra}]`,
      { missing, extra },
    );
  }
  checked = addon.ops;
  return checked;
}
let checked: Addon["ops"] | undefined;

function entries(): [OperationName, Operation][] {
  return Object.entries(vocabulary) as [OperationName, Operation][];
}

function compile(name: OperationName, operation: Operation, access: TensorAccess) {
  const positional = operation.args;
  const options = Object.entries(operation.options ?? {});
  const takesOptions = operation.options !== undefined;
  const limit = positional.length + (takesOptions ? 1 : 0);
  return (self: TensorHandle | undefined, given: readonly unknown[]): unknown => {
    // A trailing `undefined` counts as an omitted argument.
    if (given.length > limit && given.slice(limit).some((value) => value !== undefined)) {
      throw wrong(name, signatureOf(name), "the call", given);
    }
    const lowered: unknown[] = self === undefined ? [] : [self];
    for (const [i, [argument, kind, ...fallback]] of positional.entries()) {
      lowered.push(lower(access, name, argument, kind, given[i], fallback));
    }
    let keepsAll = false;
    if (takesOptions) {
      const named = optionsOf(name, operation, given[positional.length]);
      for (const [option, [kind, fallback]] of options) {
        lowered.push(lower(access, name, option, kind, named[option], [fallback]));
      }
      keepsAll = named["keepdim"] === true && named["dim"] === undefined;
    }
    const result = call(name, (addon) => run(addon, name, lowered));
    switch (operation.result) {
      case "same":
      case "tensor":
        if (keepsAll && self !== undefined) {
          return access.adopt(likeScalar(name, self, result as TensorHandle));
        }
        return access.adopt(result as TensorHandle);
      case "pair": {
        const [values, indices] = result as [TensorHandle, TensorHandle];
        return { values: access.adopt(values), indices: access.adopt(indices) };
      }
      case "scalar":
        return self === undefined ? result : elementOf(self, result);
      default:
        return result;
    }
  };
}

function run(addon: Addon, name: OperationName, lowered: readonly unknown[]): unknown {
  const native = nativeOperations(addon)[name];
  const [self, dim, indices] = lowered;
  if (!(indices instanceof Int32Array)) return native?.(...lowered);
  // A list of indices becomes a tensor on the device of the indexed one.
  checkIndices(name, indices, addon.tensorShape(self as TensorHandle), dim as number);
  const device = addon.tensorDevice(self as TensorHandle);
  const list = addon.tensorFrom(indices, [indices.length], "int32", device);
  try {
    return native?.(self, dim, list);
  } finally {
    addon.dispose(list);
  }
}

/** Reshapes a full reduction's result to one dimension of size 1 for each of `self`. */
function likeScalar(name: string, self: TensorHandle, result: TensorHandle): TensorHandle {
  return call(name, (addon) => {
    const sizes = addon.tensorShape(self).map(() => 1);
    try {
      return nativeOperations(addon)["reshape"]?.(result, sizes) as TensorHandle;
    } finally {
      addon.dispose(result);
    }
  });
}

/** Native integers are bigints; only int64 needs them. */
function elementOf(handle: TensorHandle, value: unknown): unknown {
  if (typeof value !== "bigint" || native().tensorDtype(handle) === "int64") return value;
  return Number(value);
}

/** An index out of range is a device assert on a GPU, which breaks all later work, so check it first. */
function checkIndices(
  caller: string,
  indices: Int32Array,
  shape: readonly number[],
  dim: number,
): void {
  const size = shape.at(dim) ?? 0;
  const bad = indices.find((index) => index < 0 || index >= size);
  if (bad !== undefined) {
    throw wrong(caller, `indices of 0 to ${size - 1} along dimension ${dim}`, "indices", bad);
  }
}

/** The signature of an operation, for error messages and the docs: "slice(dim, start, end?, step?)". */
export function signatureOf(name: OperationName): string {
  const { args, options, shorthand }: Operation = vocabulary[name];
  const parts = args.map(
    ([argument, , ...fallback]) => argument + (fallback.length > 0 ? "?" : ""),
  );
  const named = Object.keys(options ?? {}).map((option) => `${option}?`);
  if (shorthand) parts.push("dtype | device");
  if (named.length > 0) parts.push(`{ ${named.join(", ")} }${shorthand ? "" : "?"}`);
  return `${name}(${parts.join(shorthand ? " | " : ", ")})`;
}

function optionsOf(name: string, operation: Operation, given: unknown): Record<string, unknown> {
  if (given === undefined) {
    if (operation.shorthand) throw wrong(name, "a dtype, a device or options", "target", given);
    return {};
  }
  if (operation.shorthand && typeof given === "string") {
    return dtypeNames.has(given) ? { dtype: given } : { device: given };
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw wrong(name, "an options object", "options", given);
  }
  const known = operation.options ?? {};
  for (const option of Object.keys(given)) {
    if (!Object.hasOwn(known, option)) {
      throw wrong(name, `one of ${Object.keys(known).join(", ")}`, "option", option);
    }
  }
  return given as Record<string, unknown>;
}
