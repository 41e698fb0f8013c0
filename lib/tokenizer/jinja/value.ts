import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";

/** A Python value. An int is a bigint, a float a number, a str a string, None null. */
export type Value = null | boolean | bigint | number | string | PyObject;

export type PyObject =
  | { readonly type: "list" | "tuple"; readonly items: readonly Value[] }
  | PyDict
  | Namespace
  | Undefined
  | {
      readonly type: "range";
      readonly start: bigint;
      readonly stop: bigint;
      readonly step: bigint;
      readonly length: number;
    }
  | { readonly type: "view"; readonly of: "keys" | "values" | "items"; readonly dict: PyDict }
  | Generator
  | { readonly type: "markup"; readonly text: string }
  | Callable
  | LoopState;

/** A dict. Keys that are equal in Python share one entry: 1, 1.0 and True. */
export interface PyDict {
  readonly type: "dict";
  readonly entries: ReadonlyMap<string, readonly [key: Value, value: Value]>;
}

export interface Namespace {
  readonly type: "namespace";
  readonly attributes: Map<string, Value>;
}

/** A missing name, attribute or item. */
export interface Undefined {
  readonly type: "undefined";
  readonly subject: string;
}

/** Values that can be iterated once, the result of some filters. */
export interface Generator {
  readonly type: "generator";
  readonly name: string;
  readonly iterator: Iterator<Value>;
}

/** The evaluated arguments of a call. */
export interface Given {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export interface Callable {
  readonly type: "callable";
  readonly name: string;
  call(given: Given): Value;
}

/** The variable `loop`, whose attributes depend on the current iteration. */
export interface LoopState {
  readonly type: "loop";
  attribute(name: string): Value | undefined;
}

export const list = (items: readonly Value[]): Value => ({ type: "list", items });
export const tuple = (items: readonly Value[]): Value => ({ type: "tuple", items });
export const undefinedOf = (subject: string): Undefined => ({ type: "undefined", subject });

export function generator(name: string, items: Iterable<Value>): Generator {
  return { type: "generator", name, iterator: items[Symbol.iterator]() };
}

export function dictOf(pairs: Iterable<readonly [Value, Value]>): PyDict {
  const entries = new Map<string, readonly [Value, Value]>();
  for (const [key, value] of pairs) {
    const id = keyOf(key);
    // A key keeps its position and its first form.
    entries.set(id, [entries.get(id)?.[0] ?? key, value]);
  }
  return { type: "dict", entries };
}

/** A text that is the same for equal keys. */
export function keyOf(key: Value): string {
  if (typeof key === "string") return `s${key}`;
  if (key === null) return "n";
  if (typeof key === "boolean") return key ? "i1" : "i0";
  if (typeof key === "bigint") return `i${key}`;
  if (typeof key === "number") {
    if (Number.isInteger(key)) return `i${BigInt(key)}`;
    if (Number.isNaN(key)) throw new TemplateUnsupported("NaN as a key");
    return `f${key}`;
  }
  if (key.type === "tuple") {
    const parts = key.items.map(keyOf);
    return `t${parts.map((part) => `${part.length}:${part}`).join("")}`;
  }
  if (key.type === "list" || key.type === "dict")
    throw new TemplateError(`unhashable type: '${key.type}'`);
  throw new TemplateUnsupported(`${typeName(key)} as a key`);
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  if (typeof value === "string") return "str";
  if (value.type === "undefined") return "Undefined";
  if (value.type === "view") return `dict_${value.of}`;
  return value.type;
}

export function isUndefined(value: Value | undefined): value is Undefined {
  return typeof value === "object" && value !== null && value.type === "undefined";
}

/** Throws jinja2's error for the use of an undefined value. */
export function failUndefined({ subject }: Undefined): never {
  throw new TemplateError(`${subject} is undefined`);
}

export function isNumber(value: Value): value is boolean | bigint | number {
  return typeof value === "bigint" || typeof value === "number" || typeof value === "boolean";
}

export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (typeof value !== "object") return Boolean(value);
  switch (value.type) {
    case "list":
    case "tuple":
      return value.items.length > 0;
    case "dict":
      return value.entries.size > 0;
    case "view":
      return value.dict.entries.size > 0;
    case "range":
      return value.length > 0;
    case "undefined":
      return false;
    case "markup":
      return value.text !== "";
    default:
      return true;
  }
}

/** Converts an int or a bool to an index or a width. */
export function indexOf(value: Value, caller: string): number {
  if (isUndefined(value)) failUndefined(value);
  const whole = typeof value === "boolean" ? BigInt(value) : value;
  if (typeof whole !== "bigint") {
    throw new TemplateError(
      `${caller}: '${typeName(value)}' object cannot be interpreted as an integer`,
    );
  }
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(whole > most ? most : whole < -most ? -most : whole);
}
