import type { ZodError } from "zod";
import { GemlensError } from "../errors/gemlens-error.js";
import { danglingLink } from "./other-format.js";

const longestValue = 120;
const longestPart = 200;
const mostItems = 16;
const mostLevels = 4;

// Controls would forge lines in a log or drive a terminal, as would marks that turn the direction of
// writing; lone surrogates cannot be written as UTF-8.
const unprintable =
  /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** Text from outside as a message may carry it: on one line, printable, and cut where it is long. */
export function printable(text: string, longest = longestPart): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 3)}...` : text;
  return cut.replace(
    unprintable,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** How a value from outside is shown in a message: short, on one line, never the whole of it. */
export function show(value: unknown): string {
  return printable(brief(value, 0), longestValue);
}

/** As JSON.stringify, but it ends early: what is shown may be nested without end, or 100 MB. */
function brief(value: unknown, level: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, longestValue));
  if (typeof value !== "object" || value === null) return String(value);
  const list = Array.isArray(value);
  const parts: string[] = [];
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    if (level === mostLevels || parts.length === mostItems) {
      parts.push("...");
      break;
    }
    const item = brief((value as Record<string, unknown>)[key], level + 1);
    parts.push(list ? item : `${JSON.stringify(key.slice(0, longestValue))}:${item}`);
  }
  return list ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
}

/** Refuses a file with CHECKPOINT, naming the file and the field in the project's one sentence form. */
export function refuse(
  file: string,
  field: string,
  expected: string,
  got: unknown,
  cause?: unknown,
): never {
  const { message, fields } = sentence(file, field, expected, got);
  throw new GemlensError("CHECKPOINT", message, fields, cause);
}

/** Refuses a configuration by the first key that is wrong, or by `whole` if it is no object. */
export function refuseInvalid(file: string, { issues: [issue] }: ZodError, whole: string): never {
  const { path = [], message = "something else" } = issue ?? {};
  const [, expected, got] = /expected (.+?), received (.+)$/.exec(message) ?? [];
  const found = got === "undefined" ? "none" : (got ?? message);
  return refuse(file, path.join(".") || whole, expected ?? "a valid value", found);
}

/** Refuses something well-formed that gemlens does not run, naming the key. */
export function unsupported(file: string, key: string, expected: string, got: unknown): never {
  const { message, fields } = sentence(file, key, expected, got);
  throw new GemlensError("UNSUPPORTED", message, fields);
}

/** Refuses a file that the system does not open: NOT_FOUND if there is none, else CHECKPOINT. */
export function unreadable(file: string, error: unknown): never {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  const code = reason === "ENOENT" || reason === "ENOTDIR" ? "NOT_FOUND" : "CHECKPOINT";
  const got = danglingLink(file) ?? (code === "NOT_FOUND" ? `none (${reason})` : reason);
  const { message, fields } = sentence(file, "file", "a readable file", got);
  throw new GemlensError(code, message, fields, error);
}

/** What an error about a file says: `path: expected this for field, got that`. */
export function sentence(
  file: string,
  name: string,
  expected: string,
  got: unknown,
): { message: string; fields: { file: string; field: string } } {
  const field = name === "" ? '""' : printable(name); // a tensor may have no name
  const shown = typeof got === "string" ? printable(got) : show(got);
  const message = `${file}: expected ${printable(expected)} for ${field}, got ${shown}`;
  return { message, fields: { file, field } };
}
