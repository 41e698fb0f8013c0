import { GemlensError } from "./gemlens-error.js";
import { sentence } from "./sentence.js";

const warned = new Set<string>();

/**
 * Returns the value of an option given under its current or its former name. The former name warns
 * once per process.
 *
 * @throws ARGUMENT if both are given
 */
export function renamed<T>(
  caller: string,
  [former, before]: readonly [name: string, value: unknown],
  [name, value]: readonly [name: string, value: T | undefined],
): T | undefined {
  if (before === undefined) return value;
  if (value !== undefined) {
    throw new GemlensError(
      "ARGUMENT",
      sentence(caller, `one of ${name} and ${former} (its former name)`, null, "both"),
      { option: former },
    );
  }
  if (!warned.has(`${caller}.${former}`)) {
    warned.add(`${caller}.${former}`);
    process.emitWarning(`${caller}: \`${former}\` is now \`${name}\``, {
      type: "DeprecationWarning",
      code: `GEMLENS_${former.toUpperCase()}`,
    });
  }
  return before as T;
}
