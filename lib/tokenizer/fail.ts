import { aboutFile } from "../checkpoint/refuse.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** Refuses a tokenizer's file with TOKENIZER, naming file and field. */
export function fail(
  file: string,
  field: string,
  expected: string,
  got: string,
  cause?: unknown,
): never {
  const { message, fields } = aboutFile(file, field, expected, got);
  throw new GemlensError("TOKENIZER", message, fields, cause);
}

/** Refuses a caller's value with ARGUMENT. */
export function badArgument(who: string, expected: string, got: string): never {
  throw new GemlensError("ARGUMENT", sentence(who, expected, null, got), { who });
}
