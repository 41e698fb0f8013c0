import { GemlensError } from "./gemlens-error.js";
import { sentence } from "./sentence.js";

const warned = new Set<string>();

/**
 * The value of an option under its name or under its former one, which warns once in a process.
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
