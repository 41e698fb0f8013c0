/**
 * JSON from untrusted files. The checks of the text are written by hand because a schema sees only the
 * parsed result, in which duplicate keys are lost and millions of values already take memory.
 */
import { readFileSync, statSync } from "node:fs";
import { GemlensError } from "../errors/gemlens-error.js";
import { show } from "../errors/show-value.js";
import { otherFormat, savedMessage } from "./other-format.js";
import { refuse, unreadable } from "./refuse.js";

const maxDepth = 32;

/** Throws the error of the file's reader: CHECKPOINT or TOKENIZER. */
export type Refuse = (field: string, expected: string, got: string, cause?: unknown) => never;

/** Index after the string that opens at `start`; -1 if it is not closed. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === 0x5c) escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  return -1;
}

/**
 * Refuses text that JSON.parse accepts but a hostile file could use: nesting deeper than 32, a duplicate
 * key (JSON.parse keeps the last, other readers the first), and more than `maxValues` values, each of
 * which takes ten times the memory of its text.
 */
function checkNesting(text: string, maxValues: number, fail: Refuse): void {
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  let values = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b || c === 0x5b) {
      open.push(c === 0x7b ? new Set() : null);
      if (open.length > maxDepth) fail("JSON", `nesting of at most ${maxDepth}`, "more");
      expectsKey = c === 0x7b;
      values++;
    } else if (c === 0x7d || c === 0x5d) {
      open.pop();
      expectsKey = false;
    } else if (c === 0x2c) {
      expectsKey = open.at(-1) instanceof Set;
      values++;
    } else if (c === 0x22) {
      const end = endOfString(text, i);
      if (end < 0) return; // It is malformed, and JSON.parse reports the position.
      const keys = open.at(-1);
      if (expectsKey && keys) {
        const raw = text.slice(i + 1, end - 1);
        const key = raw.includes("\\") ? (parse(text.slice(i, end), fail) as string) : raw;
        if (keys.has(key)) fail(show(key), "a key that appears once", "the key twice");
        keys.add(key);
        expectsKey = false;
      }
      i = end - 1;
    }
    if (values > maxValues) fail("JSON", `at most ${maxValues} values`, "more");
  }
}

/** Refuses a lone surrogate such as `\ud800`, which is not valid text; other readers refuse it too. */
function checkSurrogates(text: string, fail: Refuse): void {
  let lowAt = -1; // The index of the last pair's second half.
  for (const { 0: match, index } of text.matchAll(/\\(?:u[dD][89a-fA-F][0-9a-fA-F]{2}|.)/gs)) {
    if (match.length === 2 || index === lowAt) continue;
    lowAt = index + match.length;
    const high = /^\\u[dD][89abAB]/.test(match);
    const paired = high && /^\\u[dD][c-fC-F][0-9a-fA-F]{2}/.test(text.slice(lowAt, lowAt + 6));
    if (!paired) fail("JSON", "surrogates in pairs", match);
  }
}

function parse(text: string, fail: Refuse): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail("JSON", "valid JSON", (error as Error).message, error);
  }
}

/**
 * Parses untrusted JSON. It must be valid UTF-8 with bounded depth, unique keys, no lone surrogates and at
 * most `maxValues` values.
 */
export function parseStrictJson(bytes: Uint8Array, maxValues: number, fail: Refuse): unknown {
  const other = otherFormat(bytes) ?? savedMessage(bytes);
  if (other !== undefined) return fail("JSON", "JSON text", other);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    return fail("JSON", "UTF-8 text", "other bytes", error);
  }
  checkNesting(text, maxValues, fail);
  const json = parse(text, fail);
  if (text.includes("\\u")) checkSurrogates(text, fail);
  return json;
}

/** Bounds of a JSON file. */
export interface JsonLimits {
  readonly bytes: number;
  readonly values: number;
}

/** Enough for any published config.json (one to five kilobytes). */
export const configLimits: JsonLimits = { bytes: 1024 * 1024, values: 10_000 };

/** Reads and parses one JSON file. Throws NOT_FOUND or CHECKPOINT. */
export function readStrictJson(file: string, limits: JsonLimits): unknown {
  let bytes: Buffer;
  try {
    const stat = statSync(file);
    if (!stat.isFile()) {
      refuse(file, "file", "a regular file", stat.isDirectory() ? "a folder" : "something else");
    }
    if (stat.size > limits.bytes) refuse(file, "file", `at most ${limits.bytes} bytes`, stat.size);
    bytes = readFileSync(file);
  } catch (error) {
    if (GemlensError.is(error)) throw error;
    return unreadable(file, error);
  }
  return parseStrictJson(bytes, limits.values, (field, expected, got, cause) =>
    refuse(file, field, expected, got, cause),
  );
}
