import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** A token as it is shown: its text, or its byte. */
export interface ShownToken {
  readonly text: string;
  /** The byte, if the token is one byte of a longer character. */
  readonly byte?: number;
}

/**
 * Writes a token in quotes, which show its spaces and line ends: `" sea"`, `"\n"`. A token that is one
 * byte of a character is written without quotes: `<0xE6>`. Invisible characters are escaped.
 */
export function quoteToken(token: string | ShownToken): string {
  if (typeof token === "string") return escapeInvisible(JSON.stringify(token));
  return token.byte === undefined ? quoteToken(token.text) : byteName(token.byte);
}

/** Writes a byte as vocabularies write its token: `<0xE6>`. */
function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** Joins tokens with a bar. Line ends become ⏎, and other control characters are escaped. */
export function showTokens(tokens: readonly string[], bar = "|"): string {
  return tokens.map((token) => printable(token.replaceAll("\n", "⏎"))).join(bar);
}

/** Escapes control characters, line ends included, so that a model's text cannot steer a terminal. */
export function printable(text: string): string {
  return text.replace(unsafe, escaped);
}

/** Escapes control characters in text of several lines: line ends and tabs stay. */
export function printableText(text: string): string {
  return text.replace(unsafe, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

/**
 * Writes JSON on one line. Characters that could steer a terminal are escaped, so the text parses to
 * the same value.
 *
 * @throws ARGUMENT if a number is not finite: JSON's `null` would look like a missing number
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

/** Control characters, and those that change the direction of the text after them. */
const unsafe = /[\p{Control}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Escapes control and zero-width characters. A joiner inside a grapheme cluster stays. */
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
