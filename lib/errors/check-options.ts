import { GemlensError } from "./gemlens-error.js";
import { sentence } from "./sentence.js";

/**
 * Refuses an options object with an unknown key: a misspelt option that is silently ignored costs an
 * afternoon. `undefined` means no options.
 *
 * @throws ARGUMENT if `options` is not an object or has a key outside `known`
 */
export function checkOptions(caller: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  const kind = options === null ? "null" : Array.isArray(options) ? "an array" : typeof options;
  if (kind !== "object") {
    throw new GemlensError("ARGUMENT", sentence(caller, "an object", "options", kind), {
      known,
    });
  }
  for (const key of Object.keys(options as object)) {
    if (known.includes(key)) continue;
    throw new GemlensError(
      "ARGUMENT",
      sentence(caller, `one of ${known.join(", ")}`, "an option's name", key),
      { option: key, known },
    );
  }
}

/** An ARGUMENT error whose message is a {@link sentence}. */
export function argument(
  caller: string,
  expected: string,
  subject: string,
  got: unknown,
  fields: Record<string, unknown> = {},
): GemlensError {
  return new GemlensError("ARGUMENT", sentence(caller, expected, subject, got), {
    ...fields,
    expected,
    got,
  });
}

/** Refuses an option that is not a positive integer. */
export function checkCount(caller: string, option: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw argument(caller, "a positive integer", option, String(value), { option });
}
