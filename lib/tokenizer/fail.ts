import { sentence } from "../checkpoint/refuse.js";
import { GemlensError } from "../errors/gemlens-error.js";

/** Refuses a tokenizer's file with TOKENIZER, naming file and field. */
export function fail(
  file: string,
  field: string,
  expected: string,
  got: string,
  cause?: unknown,
): never {
  const { message, fields } = sentence(file, field, expected, got);
  throw new GemlensError("TOKENIZER", message, fields, cause);
}

/** Refuses a caller's value with ARGUMENT. */
export function badArgument(who: string, expected: string, got: string): never {
  throw new GemlensError("ARGUMENT", `${who}: expected ${expected}, got ${got}`, { who });
}
