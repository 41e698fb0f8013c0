import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { spaceClass, trimEnd } from "./white-space.js";

export type TokenType =
  | "data"
  | "name"
  | "string"
  | "integer"
  | "float"
  | "operator"
  | "variable_begin"
  | "variable_end"
  | "block_begin"
  | "block_end"
  | "eof";

/** A token of a template. `data` and `string` tokens have their decoded text. */
export interface Token {
  readonly type: TokenType;
  readonly value: string;
}

type Opening = "{{" | "{%" | "{#";

const anySpace = `[${spaceClass}]`;
const rawBegin = new RegExp(`{%(-|\\+|)${anySpace}*raw${anySpace}*(?:-%}${anySpace}*|%})`, "y");
const rawEnd = new RegExp(
  `{%(-|\\+|)${anySpace}*endraw${anySpace}*(?:\\+%}|-%}${anySpace}*|%}\\n?)`,
  "g",
);
const commentEnd = new RegExp(`\\+#}|-#}${anySpace}*|#}\\n?`, "g");
const blockEnd = new RegExp(`\\+%}|-%}${anySpace}*|%}\\n?`, "y");
const variableEnd = new RegExp(`-}}${anySpace}*|}}`, "y");
const spaces = new RegExp(`${anySpace}+`, "y");
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const name = /[\p{L}\p{M}\p{N}_\p{Pc}]+/uy;
const string = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const operator = /\*\*|\/\/|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const onlySpace = new RegExp(`^${anySpace}+$`);
const closing: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/** Splits a template like jinja2 with `trim_blocks` and `lstrip_blocks`. */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  const tokens: Token[] = [];
  let at = 0;
  let atLineStart = true;

  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };

  const data = (text: string, sign: string, isVariable: boolean): void => {
    let kept = text;
    if (sign === "-") kept = trimEnd(text);
    else if (sign !== "+" && !isVariable) {
      const line = text.lastIndexOf("\n") + 1;
      if ((line > 0 || atLineStart) && onlySpace.test(text.slice(line))) kept = text.slice(0, line);
    }
    if (kept !== "") tokens.push({ type: "data", value: kept });
  };

  while (at < source.length) {
    const start = nextOpening(source, at);
    if (start < 0) {
      tokens.push({ type: "data", value: source.slice(at) });
      break;
    }
    const text = source.slice(at, start);
    const opening = source.slice(start, start + 2) as Opening;
    at = start;
    const raw = opening === "{%" ? match(rawBegin) : null;
    if (raw !== null) {
      data(text, raw[1] as string, false);
      at += raw[0].length;
      atLineStart = raw[0].endsWith("\n");
      const end = match(rawEnd);
      if (end === null) throw new TemplateError("Missing end of raw directive");
      data(source.slice(at, end.index), end[1] as string, false);
      at = end.index + end[0].length;
      atLineStart = end[0].endsWith("\n");
      continue;
    }
    const sign = /[-+]/.exec(source.charAt(start + 2))?.[0] ?? "";
    data(text, sign, opening === "{{");
    at += 2 + sign.length;
    atLineStart = false;
    if (opening === "{#") {
      const end = match(commentEnd);
      if (end === null) throw new TemplateError("Missing end of comment tag");
      at = end.index + end[0].length;
      atLineStart = end[0].endsWith("\n");
      continue;
    }
    tag(opening);
  }
  tokens.push({ type: "eof", value: "" });
  return tokens;

  /** The inside of {{ }} or {% %}. */
  function tag(opening: "{{" | "{%"): void {
    const kind = opening === "{{" ? "variable" : "block";
    const end = opening === "{{" ? variableEnd : blockEnd;
    const open: string[] = [];
    tokens.push({ type: `${kind}_begin`, value: opening });
    for (;;) {
      const closed = open.length === 0 ? match(end) : null;
      if (closed !== null) {
        tokens.push({ type: `${kind}_end`, value: closed[0] });
        at += closed[0].length;
        atLineStart = closed[0].endsWith("\n");
        return;
      }
      at += next(open);
    }
  }

  /** Adds the token at `at`; returns its length. */
  function next(open: string[]): number {
    const blank = match(spaces)?.[0];
    if (blank !== undefined) return blank.length;
    const found = match(float)?.[0];
    if (found !== undefined) return push("float", found, found.replaceAll("_", ""));
    const whole = match(integer)?.[0];
    if (whole !== undefined) return push("integer", whole, whole.replaceAll("_", ""));
    const word = match(name)?.[0];
    if (word !== undefined) {
      if (!/^[A-Za-z_]\w*$/.test(word)) throw new TemplateUnsupported(`the name ${word}`);
      return push("name", word, word);
    }
    const quoted = match(string)?.[0];
    if (quoted !== undefined) return push("string", quoted, unquoted(quoted.slice(1, -1)));
    const sign = match(operator)?.[0];
    if (sign === undefined) {
      throw new TemplateError(
        at < source.length
          ? `unexpected char ${JSON.stringify(source[at])} at ${at}`
          : "a tag without end",
      );
    }
    if (sign in closing) open.push(closing[sign] as string);
    else if (/[\])}]/.test(sign) && open.pop() !== sign)
      throw new TemplateError(`unexpected '${sign}'`);
    return push("operator", sign, sign);
  }

  function push(type: TokenType, text: string, value: string): number {
    tokens.push({ type, value });
    return text.length;
  }
}

function nextOpening(source: string, from: number): number {
  for (let at = source.indexOf("{", from); at >= 0; at = source.indexOf("{", at + 1)) {
    if ("{%#".includes(source.charAt(at + 1)) && at + 1 < source.length) return at;
  }
  return -1;
}

const simple: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};

/** Python's unicode-escape of a string literal. */
function unquoted(text: string): string {
  return text.replace(/\\(x.{0,2}|u.{0,4}|U.{0,8}|N|[0-7]{1,3}|.)/gs, (whole, code: string) => {
    const first = code.charAt(0);
    if (first > "\x7f") throw new TemplateUnsupported(`\\${first} in a string`);
    if (first === "N") throw new TemplateUnsupported("\\N in a string");
    if ("xuU".includes(first)) {
      const digits = { x: 2, u: 4, U: 8 }[first as "x" | "u" | "U"];
      const value = Number.parseInt(code.slice(1), 16);
      if (code.length !== digits + 1 || !/^[\da-f]+$/i.test(code.slice(1)) || value > 0x10ffff) {
        throw new TemplateError(`truncated \\${first} escape`);
      }
      if (value >= 0xd800 && value < 0xe000) throw new TemplateUnsupported("half a surrogate pair");
      return String.fromCodePoint(value);
    }
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return simple[code] ?? whole;
  });
}
