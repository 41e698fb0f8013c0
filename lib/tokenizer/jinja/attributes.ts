import type { Budget } from "./budget.js";
import { bind } from "./call-arguments.js";
import { equals, hashed } from "./operators.js";
import { stringMethod } from "./string-methods.js";
import type { Slice } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { codePoints } from "./text.js";
import {
  failUndefined,
  type Given,
  indexOf,
  isNumber,
  isUndefined,
  type PyDict,
  typeName,
  undefinedOf,
  type Value,
} from "./value.js";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));
const changing: Readonly<Record<string, ReadonlySet<string>>> = {
  list: words("append clear extend insert pop remove reverse sort"),
  dict: words("clear pop popitem setdefault update"),
};
const ofNumbers = words(
  "as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex from_number hex imag is_integer numerator real to_bytes",
);

/** Evaluates `object.name` like jinja2's sandbox: an attribute, else an item, else undefined. */
export function attributeOf(object: Value, name: string, budget: Budget): Value {
  return ownAttribute(object, name, budget) ?? lookUp(object, name) ?? missing(object, name);
}

/** Evaluates `object[key]`: an item, else an attribute, else undefined. */
export function itemOf(object: Value, key: Value, budget: Budget): Value {
  if (isUndefined(object)) failUndefined(object);
  const item = lookUp(object, key);
  if (item !== undefined) return item;
  if (typeof key !== "string") return missing(object, key);
  return ownAttribute(object, key, budget) ?? missing(object, key);
}

function missing(object: Value, key: Value): Value {
  const name = typeof key === "string" ? `'${key}'` : typeName(key);
  return undefinedOf(`'${typeName(object)} object' has no attribute ${name}, which`);
}

function ownAttribute(object: Value, name: string, budget: Budget): Value | undefined {
  if (isUndefined(object)) {
    if (name.startsWith("__")) throw new TemplateUnsupported(`the attribute ${name}`);
    failUndefined(object);
  }
  if (name.startsWith("_")) {
    // If the object has no such attribute, the result is an item or undefined.
    if (name.startsWith("__")) throw new TemplateUnsupported(`the attribute ${name}`);
    return undefined;
  }
  const callable = (call: (given: Given) => Value): Value => ({ type: "callable", name, call });
  if (typeof object === "string") {
    const method = stringMethod(name);
    return method && callable((given) => method(object, given, budget));
  }
  if (isNumber(object)) {
    if (ofNumbers.has(name)) throw new TemplateUnsupported(`the attribute ${name} of a number`);
    return undefined;
  }
  if (object === null) return undefined;
  switch (object.type) {
    case "dict": {
      const method = dictMethod(object, name);
      return method && callable(method);
    }
    case "list":
    case "tuple": {
      const { items } = object;
      if (object.type === "list" && changing["list"]?.has(name)) return unsafe("list", name);
      if (name === "copy" && object.type === "list") {
        return callable((given) => {
          bind("copy", "", given);
          return object;
        });
      }
      if (name !== "index" && name !== "count") return undefined;
      return callable((given) => {
        if (name === "count") {
          const { value } = bind("count", "value /", given);
          return BigInt(items.filter((item) => equals(item, value as Value, budget)).length);
        }
        const { value, start } = bind("index", "value start? /", given);
        if (start !== undefined) throw new TemplateUnsupported("list.index from a start");
        const at = items.findIndex((item) => equals(item, value as Value, budget));
        if (at < 0) throw new TemplateError("the value is not in the list");
        return BigInt(at);
      });
    }
    case "namespace":
      return object.attributes.get(name);
    case "loop":
      return object.attribute(name);
    default:
      throw new TemplateUnsupported(`the attribute ${name} of a ${typeName(object)}`);
  }
}

/** A method that would change its object. The sandbox allows its name but not a call. */
function unsafe(type: string, name: string): Value {
  return {
    type: "callable",
    name,
    call: () => {
      throw new TemplateError(`access to attribute '${name}' of '${type}' object is unsafe.`);
    },
  };
}

function dictMethod(dict: PyDict, name: string): ((given: Given) => Value) | undefined {
  switch (name) {
    case "keys":
    case "values":
    case "items":
      return (given) => {
        bind(name, "", given);
        return { type: "view", of: name, dict };
      };
    case "get":
      return (given) => {
        const { key, otherwise = null } = bind("get", "key otherwise? /", given);
        return dict.entries.get(hashed(key as Value))?.[1] ?? otherwise;
      };
    case "copy":
      return (given) => {
        bind(name, "", given);
        return dict;
      };
    case "fromkeys":
      throw new TemplateUnsupported("the method dict.fromkeys");
    default:
      if (!changing["dict"]?.has(name)) return undefined;
      return () => {
        throw new TemplateError(`access to attribute '${name}' of 'dict' object is unsafe.`);
      };
  }
}

/** Python's object[key]; undefined if Python would raise a KeyError or an IndexError. */
function lookUp(object: Value, key: Value): Value | undefined {
  if (typeof object === "object" && object !== null) {
    if (object.type === "dict") {
      if (typeof key === "object" && (key?.type === "list" || key?.type === "dict"))
        return undefined;
      return object.entries.get(hashed(key))?.[1];
    }
    if (object.type === "markup") throw new TemplateUnsupported("an item of a |safe value");
  }
  if (typeof key !== "bigint" && typeof key !== "boolean") return undefined;
  const index = indexOf(key, "index");
  if (typeof object === "string") return codePoints(object).at(index);
  if (object === null || typeof object !== "object") return undefined;
  if (object.type === "list" || object.type === "tuple") return object.items.at(index);
  if (object.type !== "range") return undefined;
  const at = index < 0 ? index + object.length : index;
  if (at < 0 || at >= object.length) return undefined;
  return object.start + object.step * BigInt(at);
}

/** A slice with evaluated bounds. */
export type Bounds = Readonly<
  Record<keyof Pick<Slice, "start" | "stop" | "step">, Value | undefined>
>;

/** Python's object[start:stop:step]. */
export function sliceOf(object: Value, bounds: Bounds): Value {
  if (isUndefined(object)) failUndefined(object);
  if (typeof object === "string") return sliced(codePoints(object), bounds).join("");
  if (typeof object === "object" && object !== null) {
    if (object.type === "list" || object.type === "tuple") {
      return { type: object.type, items: sliced(object.items, bounds) };
    }
    if (object.type === "range" || object.type === "markup") {
      throw new TemplateUnsupported(`a slice of a ${object.type}`);
    }
  }
  // jinja2 raises, or returns undefined if the value is a constant.
  throw new TemplateUnsupported(`a slice of a ${typeName(object)}`);
}

function sliced<T>(items: readonly T[], { start, stop, step }: Bounds): T[] {
  const bound = (value: Value | undefined) =>
    value === undefined || value === null ? undefined : indexOf(value, "slice");
  const by = bound(step) ?? 1;
  if (by === 0) throw new TemplateError("slice step cannot be zero");
  const { length } = items;
  const [least, most] = by > 0 ? [0, length] : [-1, length - 1];
  const clamp = (index: number | undefined, otherwise: number): number => {
    if (index === undefined) return otherwise;
    return Math.min(Math.max(index < 0 ? index + length : index, least), most);
  };
  const from = clamp(bound(start), by > 0 ? least : most);
  const to = clamp(bound(stop), by > 0 ? most : least);
  const result: T[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) result.push(items[i] as T);
  return result;
}
