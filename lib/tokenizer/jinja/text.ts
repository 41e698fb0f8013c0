import { TemplateUnsupported } from "./template-unsupported.js";

// JavaScript counts UTF-16 units; Python counts code points.
const beyond = /[\ud800-\udfff]/;

/** The code points of a text. */
export function codePoints(text: string): readonly string[] {
  return beyond.test(text) ? Array.from(text) : text.split("");
}

export function lengthOf(text: string): number {
  return beyond.test(text) ? codePoints(text).length : text.length;
}

/** The number of code points before a UTF-16 index. */
export function codePointIndex(text: string, unit: number): number {
  return unit <= 0 ? unit : lengthOf(text.slice(0, unit));
}

/** Orders texts by code points. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    // If both are in the middle of a pair, the first halves were equal.
    const [x, y] = [a.codePointAt(i) as number, b.codePointAt(i) as number];
    return x - y;
  }
  return a.length - b.length;
}

// Letters whose title case differs from their upper case or has several letters.
const titled = /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff\u1f80-\u1ffc]/;

/** The title case of one code point. */
export function titleCase(char: string): string {
  const upper = char.toUpperCase();
  if (titled.test(char) || (upper !== char && lengthOf(upper) > 1)) {
    throw new TemplateUnsupported(`the title case of ${char}`);
  }
  return upper;
}

/** Python's str.capitalize. */
export function capitalize(text: string): string {
  const [first = "", ...rest] = codePoints(text);
  return titleCase(first) + lower(rest.join(""), first);
}

/** Python's str.lower of a text that follows `before`. */
export function lower(text: string, before = ""): string {
  // A sigma's lower case depends on the text before it.
  if (before !== "" && text.includes("Σ")) throw new TemplateUnsupported("the lower case of Σ");
  return text.toLowerCase();
}

/** Python's str.title. */
export function title(text: string): string {
  let inWord = false;
  let result = "";
  for (const char of codePoints(text)) {
    if (inWord && char === "Σ") throw new TemplateUnsupported("the lower case of Σ");
    result += inWord ? char.toLowerCase() : titleCase(char);
    inWord = /^\p{Cased}$/u.test(char);
  }
  return result;
}

/** Python's repr of a str. */
export function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = mark;
  for (const char of codePoints(text)) {
    if (char === mark || char === "\\") result += `\\${char}`;
    else if (char === "\n") result += "\\n";
    else if (char === "\r") result += "\\r";
    else if (char === "\t") result += "\\t";
    else if (char === " " || !/[\p{C}\p{Z}]/u.test(char)) result += char;
    else result += escaped(char.codePointAt(0) as number);
  }
  return result + mark;
}

function escaped(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Python's repr of a float. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const digits = String(Math.abs(power)).padStart(2, "0");
    return `${mantissa}e${power < 0 ? "-" : "+"}${digits}`;
  }
  // JavaScript also writes an exponent below 1e-6, which is handled above.
  const text =
    power < 0 ? value.toFixed(-power + mantissa.replace(/[-.]/g, "").length - 1) : String(value);
  return text.includes(".") ? text : `${text}.0`;
}
