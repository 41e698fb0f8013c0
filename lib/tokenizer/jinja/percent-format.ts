import type { Budget } from "./budget.js";
import { repr, textOf } from "./print.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { codePoints, lengthOf } from "./text.js";
import { isNumber, typeName, type Value } from "./value.js";

const pattern = /%(?:\((\w*)\))?([-+ 0#]*)(\*|\d*)(?:\.(\*|\d*))?([a-zA-Z%]|$)/g;

/** Python's text % value, for %s, %r, %d, %i, %f and %%. */
export function percentFormat(text: string, value: Value, budget: Budget): string {
  const isTuple = typeof value === "object" && value?.type === "tuple";
  const given: readonly Value[] = isTuple ? value.items : [value];
  const isMapping = typeof value === "object" && value?.type === "dict";
  let used = 0;
  let named = false;
  if (text.replace(pattern, "").includes("%"))
    throw new TemplateUnsupported(`% formatting of ${text}`);
  const result = text.replace(
    pattern,
    (
      _,
      name: string | undefined,
      flags: string,
      width: string,
      precision: string | undefined,
      kind: string,
    ) => {
      if (kind === "%" && flags === "" && width === "" && precision === undefined) return "%";
      if (width === "*" || precision === "*" || flags.includes("#")) {
        throw new TemplateUnsupported("* and # in % formatting");
      }
      let one: Value | undefined;
      if (name !== undefined) {
        if (!isMapping) throw new TemplateError("format requires a mapping");
        named = true;
        one = value.entries.get(`s${name}`)?.[1];
        if (one === undefined) throw new TemplateError(`KeyError: '${name}'`);
      } else {
        one = given[used++];
        if (one === undefined) throw new TemplateError("not enough arguments for format string");
      }
      const body = convert(one, kind, flags, precision, budget);
      const size = Number(width === "" ? 0 : width);
      budget.text(size);
      const missing = Math.max(0, size - lengthOf(body));
      if (flags.includes("-")) return body + " ".repeat(missing);
      if (flags.includes("0") && "dif".includes(kind)) {
        const sign = /^[-+ ]/.exec(body)?.[0] ?? "";
        return sign + "0".repeat(missing) + body.slice(sign.length);
      }
      return " ".repeat(missing) + body;
    },
  );
  if (!named && used < given.length && !isMapping) {
    throw new TemplateError("not all arguments converted during string formatting");
  }
  return result;
}

function convert(
  value: Value,
  kind: string,
  flags: string,
  precision: string | undefined,
  budget: Budget,
): string {
  if (kind === "s" || kind === "r") {
    const text = kind === "s" ? textOf(value, budget) : repr(value, budget);
    if (precision === undefined) return text;
    return codePoints(text).slice(0, Number(precision)).join("");
  }
  if (!"dif".includes(kind) || kind === "")
    throw new TemplateUnsupported(`%${kind} in % formatting`);
  if (!isNumber(value))
    throw new TemplateError(`%${kind} format: a real number is required, not ${typeName(value)}`);
  const sign = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  if (kind === "f") {
    const digits = precision === undefined ? 6 : Number(precision);
    return (Number(value) >= 0 ? sign : "") + fixed(value, digits);
  }
  if (precision !== undefined) throw new TemplateUnsupported("a precision of %d");
  const whole = typeof value === "number" ? truncated(value) : BigInt(value);
  return (whole >= 0n ? sign : "") + String(whole);
}

function truncated(value: number): bigint {
  if (!Number.isFinite(value)) throw new TemplateError("cannot convert float to integer");
  return BigInt(Math.trunc(value));
}

/** Formats a number with this many digits after the point, and rounds halves to even. */
export function fixed(value: boolean | bigint | number, digits: number): string {
  const number = Number(value);
  if (!Number.isFinite(number) || Math.abs(number) >= 1e21 || digits > 20) {
    throw new TemplateUnsupported(`${number} with ${digits} digits`);
  }
  // toFixed is exact except for ties, which it rounds away from zero.
  const text = number.toFixed(digits);
  const isTie = /^50*$/.test(digitsBehind(number, digits));
  const even = isTie && Number(text.at(-1)) % 2 === 1 ? stepTowardsZero(text, digits) : text;
  return number < 0 || Object.is(number, -0) ? `-${even.replace("-", "")}` : even;
}

/** The digits after the kept ones. They are exact for a tie, which has few. */
function digitsBehind(number: number, digits: number): string {
  const text = Math.abs(number).toFixed(Math.min(100, digits + 60));
  const point = text.indexOf(".");
  return text.slice(point + 1 + digits);
}

function stepTowardsZero(text: string, digits: number): string {
  const isNegative = text.startsWith("-");
  const whole = BigInt(text.replace(/[-.]/g, "")) - 1n;
  const padded = whole.toString().padStart(digits + 1, "0");
  const body = digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
  return isNegative ? `-${body}` : body;
}
