import type { ZodError } from "zod";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { printable, show } from "../errors/show-value.js";
import { danglingLink } from "./other-format.js";

/** Refuses a file with CHECKPOINT, naming the file and the field in the project's one sentence form. */
export function refuse(
  file: string,
  field: string,
  expected: string,
  got: unknown,
  cause?: unknown,
): never {
  const { message, fields } = aboutFile(file, field, expected, got);
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
  const { message, fields } = aboutFile(file, key, expected, got);
  throw new GemlensError("UNSUPPORTED", message, fields);
}

/** Refuses a file that the system does not open: NOT_FOUND if there is none, else CHECKPOINT. */
export function unreadable(file: string, error: unknown): never {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  const code = reason === "ENOENT" || reason === "ENOTDIR" ? "NOT_FOUND" : "CHECKPOINT";
  const got = danglingLink(file) ?? (code === "NOT_FOUND" ? `none (${reason})` : reason);
  const { message, fields } = aboutFile(file, "file", "a readable file", got);
  throw new GemlensError(code, message, fields, error);
}

/** The message of an error about a file, in which everything from outside is printable, and its fields. */
export function aboutFile(
  file: string,
  name: string,
  expected: string,
  got: unknown,
): { message: string; fields: { file: string; field: string } } {
  const field = name === "" ? '""' : printable(name); // a tensor may have no name
  const shown = typeof got === "string" ? printable(got) : show(got);
  return { message: sentence(file, printable(expected), field, shown), fields: { file, field } };
}
