import type { ZodError } from "zod";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { printable, show } from "../errors/show-value.js";
import { danglingLink } from "./other-format.js";

/** Throws CHECKPOINT naming file and field. */
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

/** Throws CHECKPOINT for the first of zod's issues; `whole` names a configuration that is not an object. */
export function refuseInvalid(file: string, { issues: [issue] }: ZodError, whole: string): never {
  const { path = [], message = "something else" } = issue ?? {};
  const [, expected, got] = /expected (.+?), received (.+)$/.exec(message) ?? [];
  const found = got === "undefined" ? "none" : (got ?? message);
  return refuse(file, path.join(".") || whole, expected ?? "a valid value", found);
}

/** Throws UNSUPPORTED naming the key of a valid value that gemlens does not run. */
export function unsupported(file: string, key: string, expected: string, got: unknown): never {
  const { message, fields } = aboutFile(file, key, expected, got);
  throw new GemlensError("UNSUPPORTED", message, fields);
}

/** Throws NOT_FOUND if a file is missing, else CHECKPOINT, after the system refused to open it. */
export function unreadable(file: string, error: unknown): never {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  const code = reason === "ENOENT" || reason === "ENOTDIR" ? "NOT_FOUND" : "CHECKPOINT";
  const got = danglingLink(file) ?? (code === "NOT_FOUND" ? `none (${reason})` : reason);
  const { message, fields } = aboutFile(file, "file", "a readable file", got);
  throw new GemlensError(code, message, fields, error);
}

/** Builds an error about a file: its message, with text from outside made printable, and its fields. */
export function aboutFile(
  file: string,
  name: string,
  expected: string,
  got: unknown,
): { message: string; fields: { file: string; field: string } } {
  const field = name === "" ? '""' : printable(name); // A tensor's name may be empty.
  const shown = typeof got === "string" ? printable(got) : show(got);
  return { message: sentence(file, printable(expected), field, shown), fields: { file, field } };
}
