import { GemlensError } from "./gemlens-error.js";

/**
 * Refuses an options object with a key that `what` does not know: a misspelt option that is
 * silently ignored costs an afternoon. `undefined` is no options at all.
 */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  const kind = options === null ? "null" : Array.isArray(options) ? "an array" : typeof options;
  if (kind !== "object") {
    throw new GemlensError("ARGUMENT", `${what}: expected an object for options, got ${kind}`, {
      known,
    });
  }
  for (const key of Object.keys(options as object)) {
    if (known.includes(key)) continue;
    throw new GemlensError(
      "ARGUMENT",
      `${what}: expected one of ${known.join(", ")} for an option's name, got ${key}`,
      { option: key, known },
    );
  }
}

/** The ARGUMENT error in the project's one sentence form. */
export function argument(
  what: string,
  expected: string,
  subject: string,
  got: unknown,
  fields: Record<string, unknown> = {},
): GemlensError {
  return new GemlensError(
    "ARGUMENT",
    `${what}: expected ${expected} for ${subject}, got ${String(got)}`,
    { ...fields, expected, got },
  );
}
