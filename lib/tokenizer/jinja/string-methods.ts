import { braceFormat } from "./brace-format.js";
import type { Budget } from "./budget.js";
import { bind, integerArgument, optionalText, textArgument } from "./call-arguments.js";
import { itemsOf } from "./iterate.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { capitalize, codePointIndex, codePoints, lengthOf, lower, title } from "./text.js";
import { type Given, list, tuple, typeName, type Value } from "./value.js";
import { spaceClass, trim, trimEnd, trimStart } from "./white-space.js";

type Method = (text: string, given: Given, budget: Budget) => Value;

const spaces = new RegExp(`[${spaceClass}]+`);
const everyAt = (pattern: RegExp) => (text: string) =>
  codePoints(text).every((char) => pattern.test(char));

/** Removes characters of a set from the given sides. */
export function strip(
  text: string,
  chars: string | undefined,
  side: "both" | "left" | "right",
): string {
  if (chars === undefined) {
    return side === "both" ? trim(text) : side === "left" ? trimStart(text) : trimEnd(text);
  }
  const set = new Set(codePoints(chars));
  const points = codePoints(text);
  let start = 0;
  let end = points.length;
  if (side !== "right") while (start < end && set.has(points[start] as string)) start++;
  if (side !== "left") while (end > start && set.has(points[end - 1] as string)) end--;
  return points.slice(start, end).join("");
}

/** Python's str.replace. */
export function replaceText(
  text: string,
  from: string,
  to: string,
  count: number,
  budget: Budget,
): string {
  const most = count < 0 ? Number.POSITIVE_INFINITY : count;
  if (from === "") {
    const points = codePoints(text);
    const times = Math.min(most, points.length + 1);
    budget.text(text.length + times * to.length);
    return (
      points.map((char, i) => (i < times ? to + char : char)).join("") +
      (times > points.length ? to : "")
    );
  }
  const parts = splitOn(text, from, most);
  budget.text(text.length + parts.length * to.length);
  return parts.join(to);
}

function splitOn(text: string, separator: string, most: number): string[] {
  const parts: string[] = [];
  let from = 0;
  while (parts.length < most) {
    const at = text.indexOf(separator, from);
    if (at < 0) break;
    parts.push(text.slice(from, at));
    from = at + separator.length;
  }
  parts.push(text.slice(from));
  return parts;
}

function split(text: string, given: Given, fromRight: boolean): Value {
  const { sep, maxsplit } = bind("split", "sep? maxsplit?", given);
  const separator = optionalText("split", sep);
  const count = integerArgument("split", maxsplit, -1);
  const most = count < 0 ? Number.POSITIVE_INFINITY : count;
  if (separator === "") throw new TemplateError("empty separator");
  if (separator !== undefined) {
    return list(fromRight ? splitRight(text, separator, most) : splitOn(text, separator, most));
  }
  if (most === Number.POSITIVE_INFINITY) return list(trim(text).split(spaces).filter(Boolean));
  return list(fromRight ? wordsRight(text, most) : wordsLeft(text, most));
}

function splitRight(text: string, separator: string, most: number): string[] {
  const parts: string[] = [];
  let end = text.length;
  while (parts.length < most) {
    const at = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (at < 0) break;
    parts.unshift(text.slice(at + separator.length, end));
    end = at;
  }
  parts.unshift(text.slice(0, end));
  return parts;
}

function wordsLeft(text: string, most: number): string[] {
  const words: string[] = [];
  let rest = trimStart(text);
  while (words.length < most && rest !== "") {
    const word = rest.split(spaces, 1)[0] as string;
    words.push(word);
    rest = trimStart(rest.slice(word.length));
  }
  return rest === "" ? words : [...words, rest];
}

function wordsRight(text: string, most: number): string[] {
  const words: string[] = [];
  let rest = trimEnd(text);
  while (words.length < most && rest !== "") {
    const word = rest.split(spaces).at(-1) as string;
    words.unshift(word);
    rest = trimEnd(rest.slice(0, rest.length - word.length));
  }
  return rest === "" ? words : [rest, ...words];
}

// FS, GS and RS also end a line.
const separators = "\\x1c-\\x1e";
const lineBreak = new RegExp(`\\r\\n|[\\n\\r\\v\\f${separators}\\x85\\u2028\\u2029]`, "g");

/** Python's str.splitlines. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let from = 0;
  for (const { 0: end, index } of text.matchAll(lineBreak)) {
    lines.push(text.slice(from, keepEnds ? index + end.length : index));
    from = index + end.length;
  }
  if (from < text.length) lines.push(text.slice(from));
  return lines;
}

function padded(
  text: string,
  given: Given,
  budget: Budget,
  side: "left" | "right" | "both",
): string {
  const { width, fill } = bind("justify", "width fill? /", given);
  const char = textArgument("justify", fill ?? " ");
  if (lengthOf(char) !== 1)
    throw new TemplateError("The fill character must be exactly one character long");
  return pad(text, integerArgument("justify", width, 0), char, side, budget);
}

/** Python's ljust, rjust and center. */
export function pad(
  text: string,
  width: number,
  char: string,
  side: "left" | "right" | "both",
  budget: Budget,
): string {
  const missing = Math.max(0, width - lengthOf(text));
  budget.text(missing);
  const left =
    side === "left"
      ? missing
      : side === "right"
        ? 0
        : Math.floor(missing / 2) + (missing & width & 1);
  return char.repeat(left) + text + char.repeat(missing - left);
}

/** The part of a text between two indices, for find and startswith. */
function windowOf(
  text: string,
  start: Value | undefined,
  end: Value | undefined,
): [part: string, offset: number] {
  if (start === undefined && end === undefined) return [text, 0];
  const points = codePoints(text);
  const at = (value: Value | undefined, otherwise: number): number => {
    const index = value === null ? otherwise : integerArgument("index", value, otherwise);
    return index < 0 ? Math.max(0, index + points.length) : index;
  };
  const from = at(start, 0);
  const to = Math.min(at(end, points.length), points.length);
  return [from > points.length ? "" : points.slice(from, Math.max(from, to)).join(""), from];
}

function find(caller: string, text: string, given: Given, last: boolean): number {
  const { part, start, end } = bind(caller, "part start? end? /", given);
  const [window, offset] = windowOf(text, start, end);
  const wanted = textArgument(caller, part);
  if (offset > lengthOf(text)) return -1;
  const unit = last ? window.lastIndexOf(wanted) : window.indexOf(wanted);
  return unit < 0 ? -1 : codePointIndex(window, unit) + offset;
}

function found(caller: string, text: string, given: Given, last: boolean): bigint {
  const index = find(caller, text, given, last);
  if (index < 0) throw new TemplateError("substring not found");
  return BigInt(index);
}

function affix(caller: "startsWith" | "endsWith", text: string, given: Given): boolean {
  const { part, start, end } = bind(caller.toLowerCase(), "part start? end? /", given);
  const [window, offset] = windowOf(text, start, end);
  if (offset > lengthOf(text)) return false;
  const isTuple = typeof part === "object" && part?.type === "tuple";
  const parts = isTuple ? part.items : [part];
  return parts.some((one) => window[caller](textArgument(caller.toLowerCase(), one)));
}

function partition(text: string, given: Given, last: boolean): Value {
  const separator = textArgument("partition", bind("partition", "sep /", given)["sep"]);
  if (separator === "") throw new TemplateError("empty separator");
  const at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
  if (at < 0) return tuple(last ? ["", "", text] : [text, "", ""]);
  return tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
}

function countOf(text: string, given: Given): Value {
  const { part, start, end } = bind("count", "part start? end? /", given);
  const [window, offset] = windowOf(text, start, end);
  const wanted = textArgument("count", part);
  if (offset > lengthOf(text)) return 0n;
  if (wanted === "") return BigInt(lengthOf(window) + 1);
  return BigInt(window.split(wanted).length - 1);
}

/** A method without arguments. */
const plain =
  (name: string, run: (text: string) => Value): Method =>
  (text, given, budget) => {
    bind(name, "", given);
    budget.text(text.length);
    return run(text);
  };

const stripped =
  (side: "both" | "left" | "right"): Method =>
  (text, given) =>
    strip(text, optionalText("strip", bind("strip", "chars? /", given)["chars"]), side);

/** Refuses characters whose result depends on tables that JavaScript does not have. */
function knownDigits(text: string): void {
  if (/[^\P{N}\p{Nd}]|[\u3007\u4e00-\u9fff]/u.test(text)) {
    throw new TemplateUnsupported("isdigit or isnumeric of numbers that are not decimal");
  }
}

const methods: Readonly<Record<string, Method>> = {
  strip: stripped("both"),
  lstrip: stripped("left"),
  rstrip: stripped("right"),
  upper: plain("upper", (text) => text.toUpperCase()),
  lower: plain("lower", (text) => lower(text)),
  title: plain("title", title),
  capitalize: plain("capitalize", capitalize),
  split: (text, given) => split(text, given, false),
  rsplit: (text, given) => split(text, given, true),
  splitlines: (text, given) => {
    const { keepends } = bind("splitlines", "keepends?", given);
    return list(splitLines(text, Boolean(integerArgument("splitlines", keepends, 0))));
  },
  replace: (text, given, budget) => {
    const { from, to, count } = bind("replace", "from to / count?", given);
    const [old, fresh] = [textArgument("replace", from), textArgument("replace", to)];
    return replaceText(text, old, fresh, integerArgument("replace", count, -1), budget);
  },
  startswith: (text, given) => affix("startsWith", text, given),
  endswith: (text, given) => affix("endsWith", text, given),
  find: (text, given) => BigInt(find("find", text, given, false)),
  rfind: (text, given) => BigInt(find("rfind", text, given, true)),
  index: (text, given) => found("index", text, given, false),
  rindex: (text, given) => found("rindex", text, given, true),
  count: countOf,
  join: (text, given, budget) => {
    const items = itemsOf(bind("join", "iterable /", given)["iterable"] as Value, budget);
    const texts = items.map((item, i) => {
      if (typeof item === "string") return item;
      throw new TemplateError(`sequence item ${i}: expected str instance, ${typeName(item)} found`);
    });
    budget.text(texts.reduce((sum, { length }) => sum + length + text.length, 0));
    return texts.join(text);
  },
  partition: (text, given) => partition(text, given, false),
  rpartition: (text, given) => partition(text, given, true),
  removeprefix: (text, given) => {
    const part = textArgument("removeprefix", bind("removeprefix", "prefix /", given)["prefix"]);
    return text.startsWith(part) ? text.slice(part.length) : text;
  },
  removesuffix: (text, given) => {
    const part = textArgument("removesuffix", bind("removesuffix", "suffix /", given)["suffix"]);
    return part !== "" && text.endsWith(part) ? text.slice(0, -part.length) : text;
  },
  ljust: (text, given, budget) => padded(text, given, budget, "right"),
  rjust: (text, given, budget) => padded(text, given, budget, "left"),
  center: (text, given, budget) => padded(text, given, budget, "both"),
  zfill: (text, given, budget) => {
    const width = integerArgument("zfill", bind("zfill", "width /", given)["width"], 0);
    const sign = /^[+-]/.exec(text)?.[0] ?? "";
    return sign + pad(text.slice(sign.length), width - sign.length, "0", "left", budget);
  },
  format: (text, given, budget) => braceFormat(text, given, budget),
  isspace: plain("isspace", (text) => text !== "" && trim(text) === ""),
  isalpha: plain("isalpha", (text) => text !== "" && everyAt(/^\p{L}$/u)(text)),
  isalnum: plain("isalnum", (text) => text !== "" && everyAt(/^[\p{L}\p{N}]$/u)(text)),
  isdecimal: plain("isdecimal", (text) => text !== "" && everyAt(/^\p{Nd}$/u)(text)),
  isdigit: plain("isdigit", (text) => {
    knownDigits(text);
    return text !== "" && everyAt(/^\p{Nd}$/u)(text);
  }),
  isnumeric: plain("isnumeric", (text) => {
    knownDigits(text);
    return text !== "" && everyAt(/^\p{Nd}$/u)(text);
  }),
  isascii: plain("isascii", (text) => /^[\0-\x7f]*$/.test(text)),
  islower: plain(
    "islower",
    (text) => /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text),
  ),
  isupper: plain(
    "isupper",
    (text) => /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text),
  ),
};

const others = new Set(
  "casefold encode expandtabs format_map isidentifier isprintable istitle maketrans swapcase translate".split(
    " ",
  ),
);

/** Finds a method of str by name; undefined if Python has no such method. */
export function stringMethod(name: string): Method | undefined {
  if (others.has(name)) throw new TemplateUnsupported(`the method str.${name}`);
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}
