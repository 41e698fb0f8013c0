import type { Budget } from "./budget.js";
import { itemsOf } from "./iterate.js";
import { percentFormat } from "./percent-format.js";
import type { BinaryOperator, CompareOperator } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { compareText } from "./text.js";
import {
  failUndefined,
  isNumber,
  isUndefined,
  keyOf,
  type PyObject,
  typeName,
  type Value,
} from "./value.js";

/** Longer integers would take too much time. */
const mostBits = 4096;
const exact = BigInt(Number.MAX_SAFE_INTEGER);

type Sequence = PyObject & { readonly type: "list" | "tuple" };

export function isSequence(value: Value): value is Sequence {
  return (
    typeof value === "object" && value !== null && (value.type === "list" || value.type === "tuple")
  );
}

function isMarkup(value: Value): boolean {
  return typeof value === "object" && value !== null && value.type === "markup";
}

/** Python's binary operators. */
export function binary(operator: BinaryOperator, left: Value, right: Value, budget: Budget): Value {
  if (isUndefined(left)) failUndefined(left);
  if (operator === "%" && typeof left === "string") return percentFormat(left, right, budget);
  if (isUndefined(right)) failUndefined(right);
  if (isMarkup(left) || isMarkup(right))
    throw new TemplateUnsupported(`${operator} of a |safe value`);
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right);
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") {
      budget.text(left.length + right.length);
      return left + right;
    }
    if (isSequence(left) && isSequence(right) && left.type === right.type) {
      budget.spend(left.items.length + right.items.length);
      return { type: left.type, items: [...left.items, ...right.items] };
    }
  }
  if (operator === "*") {
    if (isNumber(left) && typeof left !== "number") return repeat(right, left, budget) ?? fails();
    if (isNumber(right) && typeof right !== "number") return repeat(left, right, budget) ?? fails();
  }
  if (operator === "-" || operator === "%") {
    if ([left, right].some((value) => typeof value === "object" && value?.type === "view")) {
      throw new TemplateUnsupported(`${operator} of dictionary views`);
    }
  }
  return fails();

  function fails(): never {
    const types = `'${typeName(left)}' and '${typeName(right)}'`;
    throw new TemplateError(`unsupported operand type(s) for ${operator}: ${types}`);
  }
}

function repeat(value: Value, times: boolean | bigint, budget: Budget): Value | undefined {
  const size =
    typeof value === "string" ? value.length : isSequence(value) ? value.items.length : undefined;
  if (size === undefined) return undefined;
  const count = Math.max(0, Number(times));
  if (size > 0) budget.spend(1 + size * count);
  if (typeof value === "string") return value.repeat(size > 0 ? count : 0);
  const { type, items } = value as Sequence;
  return { type, items: size > 0 ? Array.from({ length: count }, () => items).flat() : [] };
}

function arithmetic(
  operator: BinaryOperator,
  a: boolean | bigint | number,
  b: boolean | bigint | number,
): Value {
  if (typeof a === "number" || typeof b === "number")
    return floats(operator, toFloat(a), toFloat(b));
  const [x, y] = [BigInt(a), BigInt(b)];
  switch (operator) {
    case "+":
      return bounded(x + y);
    case "-":
      return bounded(x - y);
    case "*":
      return bounded(x * y);
    case "/":
      if (y === 0n) throw new TemplateError("division by zero");
      return toFloat(x) / toFloat(y);
    case "//":
      if (y === 0n) throw new TemplateError("integer division or modulo by zero");
      return floorDivide(x, y);
    case "%":
      if (y === 0n) throw new TemplateError("integer modulo by zero");
      return x - y * floorDivide(x, y);
    case "**": {
      if (y < 0n) throw new TemplateUnsupported("a negative power");
      const bits = BigInt((x < 0n ? -x : x).toString(2).length);
      if (bits * y > mostBits && bits > 1n)
        throw new TemplateUnsupported("a power of more than 4,096 bits");
      return x ** (bits > 1n ? y : y === 0n ? 0n : y % 2n === 0n ? 2n : 1n);
    }
  }
}

function bounded(value: bigint): bigint {
  if (value > 2n ** 4096n || value < -(2n ** 4096n)) {
    throw new TemplateUnsupported("a number of more than 4,096 bits");
  }
  return value;
}

function floorDivide(x: bigint, y: bigint): bigint {
  const quotient = x / y;
  return x % y !== 0n && x < 0n !== y < 0n ? quotient - 1n : quotient;
}

/** Converts a number to a float. Refuses an int that is not exact, which Python would round in its own way. */
export function toFloat(value: boolean | bigint | number): number {
  if (typeof value === "bigint" && (value > exact || value < -exact)) {
    throw new TemplateUnsupported("a whole number above 2^53 among floats");
  }
  return Number(value);
}

function floats(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0) throw new TemplateError("float division by zero");
      return a / b;
    case "//": {
      if (b === 0) throw new TemplateError("float floor division by zero");
      // CPython's order, for its rounding: it corrects the remainder's sign after the division.
      const rest = a % b;
      const quotient = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
      if (quotient === 0) return a / b < 0 ? -0 : 0;
      const floor = Math.floor(quotient);
      return quotient - floor > 0.5 ? floor + 1 : floor;
    }
    case "%":
      if (b === 0) throw new TemplateError("float modulo");
      return modulo(a, b);
    case "**":
      throw new TemplateUnsupported("a power of floats");
  }
}

function modulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 !== b < 0 ? rest + b : rest;
}

export function negate(value: Value): Value {
  if (typeof value === "number") return -value;
  if (isNumber(value)) return -BigInt(value);
  if (isUndefined(value)) failUndefined(value);
  throw new TemplateError(`bad operand type for unary -: '${typeName(value)}'`);
}

export function positive(value: Value): Value {
  if (typeof value === "number") return value;
  if (isNumber(value)) return BigInt(value);
  if (isUndefined(value)) failUndefined(value);
  throw new TemplateError(`bad operand type for unary +: '${typeName(value)}'`);
}

/** Python's ==. */
export function equals(a: Value, b: Value, budget: Budget): boolean {
  budget.spend(1);
  if (isNumber(a) && isNumber(b)) {
    // JavaScript compares bigint with number exactly.
    // biome-ignore lint/suspicious/noDoubleEquals: it compares bigint with number
    return unwrap(a) == unwrap(b);
  }
  if (typeof a === "string" || typeof b === "string") {
    const [x, y] = [plain(a), plain(b)];
    if (typeof x === "string") budget.text(x.length);
    return x === y;
  }
  if (a === null || b === null || isNumber(a) || isNumber(b)) return a === b;
  if (a === b) return true;
  if (isMarkup(a) && isMarkup(b)) return plain(a) === plain(b);
  if (isSequence(a) && isSequence(b)) {
    if (a.type !== b.type || a.items.length !== b.items.length) return false;
    return a.items.every((item, i) => equals(item, b.items[i] as Value, budget));
  }
  if (a.type === "dict" && b.type === "dict") {
    if (a.entries.size !== b.entries.size) return false;
    return [...a.entries].every(([key, [, value]]) => {
      const other = b.entries.get(key);
      return other !== undefined && equals(value, other[1], budget);
    });
  }
  if (a.type === "undefined" && b.type === "undefined") return true;
  if (a.type !== b.type) return false;
  throw new TemplateUnsupported(`== of two values of type ${typeName(a)}`);
}

function plain(value: Value): Value {
  return typeof value === "object" && value?.type === "markup" ? value.text : value;
}

const unwrap = (value: boolean | bigint | number) =>
  typeof value === "boolean" ? Number(value) : value;

/** Orders two values: negative if a comes before b, 0, or positive; undefined for NaN. */
export function order(a: Value, b: Value, sign: string, budget: Budget): number | undefined {
  budget.spend(1);
  if (isUndefined(a)) failUndefined(a);
  if (isUndefined(b)) failUndefined(b);
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [unwrap(a), unwrap(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return undefined;
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (isSequence(a) && isSequence(b) && a.type === b.type) {
    const length = Math.min(a.items.length, b.items.length);
    for (let i = 0; i < length; i++) {
      const [x, y] = [a.items[i] as Value, b.items[i] as Value];
      if (!equals(x, y, budget)) return order(x, y, sign, budget);
    }
    return a.items.length - b.items.length;
  }
  if (
    [a, b].some((value) => isMarkup(value) || (typeof value === "object" && value?.type === "view"))
  ) {
    throw new TemplateUnsupported(`${sign} of ${typeName(a)} and ${typeName(b)}`);
  }
  const types = `'${typeName(a)}' and '${typeName(b)}'`;
  throw new TemplateError(`'${sign}' not supported between instances of ${types}`);
}

export function compare(operator: CompareOperator, a: Value, b: Value, budget: Budget): boolean {
  switch (operator) {
    case "==":
      return equals(a, b, budget);
    case "!=":
      return !equals(a, b, budget);
    case "in":
      return contains(b, a, budget);
    case "not in":
      return !contains(b, a, budget);
    default: {
      const found = order(a, b, operator, budget);
      if (found === undefined) return false;
      if (operator === "<") return found < 0;
      if (operator === "<=") return found <= 0;
      return operator === ">" ? found > 0 : found >= 0;
    }
  }
}

/** Python's `item in value`. */
export function contains(value: Value, item: Value, budget: Budget): boolean {
  const text = plain(value);
  if (typeof text === "string") {
    const part = plain(item);
    if (isUndefined(part)) throw new TemplateError("'in <string>' requires string, not Undefined");
    if (typeof part !== "string") {
      throw new TemplateError(
        `'in <string>' requires string as left operand, not ${typeName(item)}`,
      );
    }
    budget.text(text.length);
    return text.includes(part);
  }
  if (typeof value === "object" && value !== null) {
    if (value.type === "dict") return value.entries.has(hashed(item));
    if (value.type === "view" && value.of === "keys") return value.dict.entries.has(hashed(item));
    if (value.type === "range")
      return itemsOf(value, budget).some((one) => equals(one, item, budget));
  }
  if (isNumber(value) || value === null) {
    throw new TemplateError(`argument of type '${typeName(value)}' is not iterable`);
  }
  return itemsOf(value, budget).some((one) => equals(one, item, budget));
}

/** A key's identity. No dictionary of a template has an Undefined as its key. */
export function hashed(key: Value): string {
  return isUndefined(key) ? "u" : keyOf(key);
}
