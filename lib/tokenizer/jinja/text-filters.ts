import { bind, integerArgument, optionalText, textArgument } from "./call-arguments.js";
import { type Filter, softText } from "./filter-context.js";
import { parseFloatText, parseInteger } from "./number-text.js";
import { toFloat } from "./operators.js";
import { fixed, percentFormat } from "./percent-format.js";
import { type JsonStyle, jsonOf, textOf } from "./print.js";
import { pad, replaceText, splitLines, strip } from "./string-methods.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { capitalize, codePoints, lower } from "./text.js";
import {
  dictOf,
  failUndefined,
  isNumber,
  isTrue,
  isUndefined,
  tuple,
  typeName,
  type Value,
} from "./value.js";
import { spaceClass } from "./white-space.js";

const wordStart = new RegExp(`([-${spaceClass}({\\[<]+)`);

const json: Filter = (value, given, { budget }) => {
  const { ensure_ascii, indent, separators, sort_keys } = bind(
    "tojson",
    "ensure_ascii? indent? separators? sort_keys?",
    given,
  );
  const step = indentOf(indent);
  budget.text(step?.length ?? 0);
  const style: JsonStyle = {
    ascii: isTrue(ensure_ascii ?? false),
    indent: step,
    separators: separatorsOf(separators) ?? [step === null ? ", " : ",", ": "],
    sorts: isTrue(sort_keys ?? false),
  };
  return jsonOf(value, style, budget);
};

function indentOf(indent: Value | undefined): string | null {
  if (indent === undefined || indent === null) return null;
  if (typeof indent === "string") return indent;
  const width = integerArgument("tojson", indent, 0);
  if (width > 1000) throw new TemplateUnsupported("an indent above 1,000");
  return " ".repeat(Math.max(0, width));
}

function separatorsOf(value: Value | undefined): [string, string] | undefined {
  if (value === undefined || value === null) return undefined;
  const items =
    typeof value === "object" && (value.type === "tuple" || value.type === "list")
      ? value.items
      : [];
  if (items.length !== 2) throw new TemplateError("tojson: expected two separators");
  return [textArgument("tojson", items[0]), textArgument("tojson", items[1])];
}

const indent: Filter = (value, given, context) => {
  const {
    width = 4n,
    first = false,
    blank = false,
  } = bind("indent", "width? first? blank?", given);
  if (typeof value === "object" && value?.type === "markup")
    throw new TemplateUnsupported("indent of a |safe value");
  const text = textArgument("indent", value);
  const count = typeof width === "string" ? width.length : integerArgument("indent", width, 4);
  const lines = splitLines(`${text}\n`);
  context.budget.text(text.length + Math.max(0, count) * (lines.length + 1));
  const margin = typeof width === "string" ? width : " ".repeat(Math.max(0, count));
  const [start = "", ...rest] = lines;
  const indented = rest.map((line) => (line !== "" || isTrue(blank) ? margin + line : line));
  return (isTrue(first) ? margin : "") + [start, ...indented].join("\n");
};

const toInteger: Filter = (value, given) => {
  const { default: otherwise = 0n, base = 10n } = bind("int", "default? base?", given);
  if (isUndefined(value)) failUndefined(value);
  if (typeof value === "string") {
    if (base !== 10n) throw new TemplateUnsupported("int of another base than 10");
    const whole = parseInteger(value);
    if (whole !== undefined) return whole;
    const float = parseFloatText(value);
    return float === undefined || !Number.isFinite(float) ? otherwise : BigInt(Math.trunc(float));
  }
  if (!isNumber(value)) return otherwise;
  if (typeof value !== "number") return BigInt(value);
  if (Number.isNaN(value)) return otherwise;
  if (!Number.isFinite(value)) throw new TemplateError("cannot convert float infinity to integer");
  return BigInt(Math.trunc(value));
};

const toFloating: Filter = (value, given) => {
  const { default: otherwise = 0 } = bind("float", "default?", given);
  if (isUndefined(value)) failUndefined(value);
  if (typeof value === "string") return parseFloatText(value) ?? otherwise;
  return isNumber(value) ? toFloat(value) : otherwise;
};

const round: Filter = (value, given) => {
  const { precision, method = "common" } = bind("round", "precision? method?", given);
  const digits = integerArgument("round", precision, 0);
  if (method !== "common" && method !== "ceil" && method !== "floor") {
    throw new TemplateError("method must be common, ceil or floor");
  }
  if (!isNumber(value))
    throw new TemplateError(`type ${typeName(value)} doesn't define __round__ method`);
  if (digits < 0 || digits > 15) throw new TemplateUnsupported(`round to ${digits} digits`);
  if (method !== "common") {
    const factor = 10 ** digits;
    const scaled = toFloat(value) * factor;
    if (!(Math.abs(scaled) <= Number.MAX_SAFE_INTEGER))
      throw new TemplateUnsupported("round of a large number");
    return (method === "ceil" ? Math.ceil(scaled) : Math.floor(scaled)) / factor + 0;
  }
  if (typeof value !== "number") return BigInt(value);
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 53) return value;
  return Number(fixed(value, digits));
};

export const textFilters: Readonly<Record<string, Filter>> = {
  tojson: json,
  indent,
  int: toInteger,
  float: toFloating,
  round,
  abs: (value, given) => {
    bind("abs", "", given);
    if (typeof value === "number") return Math.abs(value);
    if (!isNumber(value))
      throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
    const whole = BigInt(value);
    return whole < 0n ? -whole : whole;
  },
  string: (value, given, context) => {
    bind("string", "", given);
    return softText(value, context);
  },
  safe: (value, given, { budget }) => {
    bind("safe", "", given);
    return { type: "markup", text: textOf(value, budget) };
  },
  trim: (value, given, context) =>
    strip(
      softText(value, context),
      optionalText("trim", bind("trim", "chars?", given)["chars"]),
      "both",
    ),
  upper: (value, given, context) => {
    bind("upper", "", given);
    return softText(value, context).toUpperCase();
  },
  lower: (value, given, context) => {
    bind("lower", "", given);
    return lower(softText(value, context));
  },
  capitalize: (value, given, context) => {
    bind("capitalize", "", given);
    return capitalize(softText(value, context));
  },
  title: (value, given, context) => {
    bind("title", "", given);
    const words = softText(value, context).split(wordStart);
    return words
      .map((word) => {
        const [first = "", ...rest] = codePoints(word);
        return first.toUpperCase() + lower(rest.join(""), first);
      })
      .join("");
  },
  center: (value, given, context) => {
    const width = integerArgument("center", bind("center", "width?", given)["width"], 80);
    return pad(softText(value, context), width, " ", "both", context.budget);
  },
  replace: (value, given, context) => {
    const { old, new: fresh, count = null } = bind("replace", "old new count?", given);
    const most = count === null ? -1 : integerArgument("replace", count, -1);
    const [from, to] = [softText(old as Value, context), softText(fresh as Value, context)];
    return replaceText(softText(value, context), from, to, most, context.budget);
  },
  format: (value, { positional, named }, context) => {
    if (positional.length > 0 && named.size > 0) {
      throw new TemplateError("can't handle positional and keyword arguments at the same time");
    }
    const given = named.size > 0 ? dictOf(named) : tuple(positional);
    return percentFormat(softText(value, context), given, context.budget);
  },
};
