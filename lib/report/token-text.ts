import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** A token as it is shown: its text, or the byte that it is. */
export interface ShownToken {
  readonly text: string;
  /** Of a token that is one byte of a longer character. */
  readonly byte?: number;
}

/**
 * A token in quotes, in which spaces and line ends can be told apart: `" sea"`, `"\n"`; without
 * quotes if it is one byte of a character: `<0xE6>`. What is invisible is escaped.
 */
export function quoteToken(token: string | ShownToken): string {
  if (typeof token === "string") return escapeInvisible(JSON.stringify(token));
  return token.byte === undefined ? quoteToken(token.text) : byteName(token.byte);
}

/** `<0xE6>`, as vocabularies write the token of a byte. */
function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** Tokens in a row with a bar between them; line ends as ⏎, other control characters escaped. */
export function showTokens(tokens: readonly string[], bar = "|"): string {
  return tokens.map((token) => printable(token.replaceAll("\n", "⏎"))).join(bar);
}

/** Text in one line with its control characters escaped: a model must not steer a terminal. */
export function printable(text: string): string {
  return text.replace(unsafe, escaped);
}

/** The same for text of several lines: line ends and tabs stay. */
export function printableText(text: string): string {
  return text.replace(unsafe, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

/**
 * JSON on one line; what could steer a terminal is escaped, which parses to the same value.
 *
 * @throws ARGUMENT for a NaN or an infinity: `null` would look like a number that is missing
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, onlyFinite).replace(unsafe, escaped);
}

function onlyFinite(key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  throw new GemlensError(
    "ARGUMENT",
    sentence("json", "a finite number", key, value, " (not finite)"),
    { key, got: value },
  );
}

/** Control characters, and those that reverse the direction of what follows. */
const unsafe = /[\p{Control}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Also characters that take no room; a joiner between two others makes them one, and stays. */
function escapeInvisible(text: string): string {
  return text.replace(
    /[\p{Control}\u2028\u2029]|(?!(?<=[^\s"])[\u200c\u200d][^\s"])\p{Format}/gu,
    escaped,
  );
}

function escaped(c: string): string {
  const code = (unit: number) => `\\u${unit.toString(16).padStart(4, "0")}`;
  return Array.from({ length: c.length }, (_, i) => code(c.charCodeAt(i))).join("");
}
