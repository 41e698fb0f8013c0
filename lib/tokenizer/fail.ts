import { aboutFile } from "../checkpoint/refuse.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** Throws TOKENIZER naming file and field. */
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

/** Throws ARGUMENT. */
export function badArgument(caller: string, expected: string, got: string): never {
  throw new GemlensError("ARGUMENT", sentence(caller, expected, null, got), { who: caller });
}
