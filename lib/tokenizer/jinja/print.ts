import type { Budget } from "./budget.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { compareText, floatText, quote } from "./text.js";
import { type PyDict, typeName, type Value } from "./value.js";

/** Python's str(value), which templates print. */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) {
    if (value.type === "undefined") return "";
    if (value.type === "markup") return value.text;
  }
  return repr(value, budget);
}

/** Python's repr(value). */
export function repr(value: Value, budget: Budget): string {
  budget.spend(1);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return floatText(value);
  if (typeof value === "string") {
    budget.text(value.length);
    return quote(value);
  }
  const all = (items: Iterable<Value>) =>
    Array.from(items, (item) => repr(item, budget)).join(", ");
  switch (value.type) {
    case "undefined":
      return "Undefined";
    case "list":
      return `[${all(value.items)}]`;
    case "tuple":
      return value.items.length === 1 ? `(${all(value.items)},)` : `(${all(value.items)})`;
    case "dict":
      return `{${dictBody(value, budget)}}`;
    case "view":
      return viewText(value.of, value.dict, budget);
    case "range": {
      const step = value.step === 1n ? "" : `, ${value.step}`;
      return `range(${value.start}, ${value.stop}${step})`;
    }
    default:
      throw new TemplateUnsupported(`printing a ${typeName(value)}`);
  }
}

function dictBody({ entries }: PyDict, budget: Budget): string {
  return Array.from(
    entries.values(),
    ([key, item]) => `${repr(key, budget)}: ${repr(item, budget)}`,
  ).join(", ");
}

function viewText(of: "keys" | "values" | "items", { entries }: PyDict, budget: Budget): string {
  const parts = Array.from(entries.values(), ([key, item]) => {
    if (of === "items") return `(${repr(key, budget)}, ${repr(item, budget)})`;
    return repr(of === "keys" ? key : item, budget);
  });
  return `dict_${of}([${parts.join(", ")}])`;
}

/** Options of Python's json.dumps. */
export interface JsonStyle {
  readonly ascii: boolean;
  /** null: everything on one line. */
  readonly indent: string | null;
  readonly separators: readonly [item: string, key: string];
  readonly sorts: boolean;
}

/** Python's json.dumps. */
export function jsonOf(value: Value, style: JsonStyle, budget: Budget, level = 0): string {
  budget.spend(1);
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return jsonFloat(value);
  if (typeof value === "string") return jsonText(value, style.ascii, budget);
  if (value.type === "markup") return jsonText(value.text, style.ascii, budget);
  const inner = style.indent === null ? "" : `\n${style.indent.repeat(level + 1)}`;
  const outer = style.indent === null ? "" : `\n${style.indent.repeat(level)}`;
  budget.text(inner.length);
  const join = (parts: string[], open: string, close: string): string => {
    if (parts.length === 0) return open + close;
    return open + inner + parts.join(`${style.separators[0]}${inner}`) + outer + close;
  };
  if (value.type === "list" || value.type === "tuple") {
    const parts = value.items.map((item) => jsonOf(item, style, budget, level + 1));
    return join(parts, "[", "]");
  }
  if (value.type === "dict") {
    const entries = [...value.entries.values()];
    if (style.sorts) sortKeys(entries);
    const parts = entries.map(([key, item]) => {
      const name = jsonText(jsonKey(key), style.ascii, budget);
      return name + style.separators[1] + jsonOf(item, style, budget, level + 1);
    });
    return join(parts, "{", "}");
  }
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function sortKeys(entries: (readonly [Value, Value])[]): void {
  if (entries.some(([key]) => typeof key !== "string")) {
    throw new TemplateUnsupported("tojson that sorts keys which are not all strings");
  }
  entries.sort(([a], [b]) => compareText(a as string, b as string));
}

function jsonKey(key: Value): string {
  if (typeof key === "string") return key;
  if (typeof key === "number") return jsonFloat(key);
  if (key === null) return "null";
  if (typeof key === "object")
    throw new TemplateError("keys must be str, int, float, bool or None");
  return String(key);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatText(value);
}

const jsonEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\f": "\\f",
  "\b": "\\b",
};

const escapedByJson = `"\\\\\\x00-\\x1f`;
const jsonPlain = new RegExp(`[${escapedByJson}]`, "g");
const jsonAscii = new RegExp(`[${escapedByJson}]|[^\\x20-\\x7e]`, "g");

function jsonText(text: string, ascii: boolean, budget: Budget): string {
  budget.text(text.length);
  const code = (unit: string): string =>
    jsonEscapes[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `"${text.replace(ascii ? jsonAscii : jsonPlain, code)}"`;
}
