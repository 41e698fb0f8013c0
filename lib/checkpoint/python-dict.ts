/**
 * The literals of a .npy header. The parser is written by hand because the header is Python, not JSON,
 * and a replacement of its quotes by JSON's would accept text that NumPy refuses.
 */
import { show } from "../errors/show-value.js";
import { refuse } from "./refuse.js";

/** The values that a .npy header may hold: str, bool, and a tuple of integers. */
export type PythonValue = string | boolean | number[];

// Python's white space and numbers exclude the no-break space and leading zeros.
const token =
  /[ \t\f\r\n]*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)\b|(0|[1-9]\d{0,15})(?![\w.])|([{}():,]))/y;
const trailingSpace = /[ \t\f\r\n]*$/;

type Token = { kind: "string" | "word" | "number" | "mark"; text: string };

function tokenize(text: string, file: string, field: string): Token[] {
  const tokens: Token[] = [];
  const end = text.search(trailingSpace);
  token.lastIndex = 0;
  while (token.lastIndex < end) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (!match)
      return refuse(file, field, "a literal dict of str, bool and int", show(text.slice(at)));
    const [, single, double, word, number, mark] = match;
    const string = single ?? double;
    if (string !== undefined) tokens.push({ kind: "string", text: string });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else tokens.push({ kind: "mark", text: mark as string });
  }
  return tokens;
}

/**
 * Parses the literal dict of a .npy header and no other Python: no names, no calls, no nesting except one
 * tuple of integers.
 *
 * @throws CHECKPOINT, also if a key appears twice
 */
export function parsePythonDict(
  text: string,
  file: string,
  field: string,
): ReadonlyMap<string, PythonValue> {
  const tokens = tokenize(text, file, field);
  let at = 0;
  const fail = (expected: string): never =>
    refuse(file, field, `${expected} in the .npy header`, show(tokens[at]?.text ?? "its end"));
  const is = (mark: string): boolean => tokens[at]?.kind === "mark" && tokens[at]?.text === mark;
  const take = (mark: string): void => {
    if (!is(mark)) fail(`"${mark}"`);
    at++;
  };

  const tuple = (): number[] => {
    const values: number[] = [];
    take("(");
    while (!is(")")) {
      if (tokens[at]?.kind !== "number") fail("an integer");
      values.push(Number(tokens[at++]?.text));
      // In Python `(3)` is an int and `(3,)` a tuple.
      if (values.length === 1 || !is(")")) take(",");
    }
    take(")");
    return values;
  };

  const value = (): PythonValue => {
    const next = tokens[at];
    if (next?.kind === "mark") return tuple();
    if (next?.kind !== "string" && next?.kind !== "word") return fail("a str, a bool or a tuple");
    at++;
    return next.kind === "word" ? next.text === "True" : next.text;
  };

  const dict = new Map<string, PythonValue>();
  take("{");
  while (!is("}")) {
    const key = tokens[at];
    if (key?.kind !== "string") return fail("a key");
    if (dict.has(key.text)) fail("each key once");
    at++;
    take(":");
    dict.set(key.text, value());
    if (!is("}")) take(",");
  }
  take("}");
  if (at !== tokens.length) fail("nothing after the dict");
  return dict;
}
