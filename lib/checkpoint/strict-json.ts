import { readFileSync, statSync } from "node:fs";
import { GemlensError } from "../errors/index.js";
import { refuse, show } from "./refuse.js";

const maxDepth = 32;

/** Index just past the string that opens at `start`, or -1 where it never closes. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) return i + 1;
  }
  return -1;
}

/**
 * What JSON.parse lets through and a hostile header must not: nesting deeper than 32, and an object
 * that names a key twice (JSON.parse keeps the last, other readers the first).
 */
function checkNesting(text: string, file: string): void {
  const open: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{" || c === "[") {
      open.push(c === "{" ? new Set() : null);
      if (open.length > maxDepth) refuse(file, "JSON", `nesting of at most ${maxDepth}`, "more");
      expectsKey = c === "{";
    } else if (c === "}" || c === "]") {
      open.pop();
      expectsKey = false;
    } else if (c === ",") {
      expectsKey = open.at(-1) instanceof Set;
    } else if (c === '"') {
      const end = endOfString(text, i);
      if (end < 0) return; // malformed: JSON.parse says where
      const keys = open.at(-1);
      if (expectsKey && keys) {
        const key = parse(text.slice(i, end), file) as string;
        if (keys.has(key)) refuse(file, show(key), "a key that appears once", "the key twice");
        keys.add(key);
        expectsKey = false;
      }
      i = end - 1;
    }
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GemlensError(
      "CHECKPOINT",
      `${file}: expected valid JSON for JSON, got ${(error as Error).message}`,
      { file, field: "JSON" },
      error,
    );
  }
}

/** Parses UTF-8 JSON from outside: valid UTF-8, bounded depth, no key twice. Throws CHECKPOINT. */
export function parseStrictJson(bytes: Uint8Array, file: string): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse(file, "JSON", "UTF-8 text", "other bytes");
  }
  checkNesting(text, file);
  return parse(text, file);
}

/** Reads and parses one JSON file of at most `maxBytes`. Throws NOT_FOUND or CHECKPOINT. */
export function readStrictJson(file: string, maxBytes: number): unknown {
  let bytes: Buffer;
  try {
    const stat = statSync(file);
    if (!stat.isFile()) refuse(file, "file", "a regular file", "something else");
    if (stat.size > maxBytes) refuse(file, "file", `at most ${maxBytes} bytes`, stat.size);
    bytes = readFileSync(file);
  } catch (error) {
    if (GemlensError.is(error)) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    const code = reason === "ENOENT" || reason === "ENOTDIR" ? "NOT_FOUND" : "CHECKPOINT";
    throw new GemlensError(
      code,
      `${file}: expected a readable file, got ${reason}`,
      { file },
      error,
    );
  }
  return parseStrictJson(bytes, file);
}
