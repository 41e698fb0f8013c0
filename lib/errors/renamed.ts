import { GemlensError } from "./gemlens-error.js";

const warned = new Set<string>();

/**
 * The value of an option under its name or under its former one, which warns once in a process.
 *
 * @throws ARGUMENT if both are given
 */
export function renamed<T>(
  what: string,
  [former, before]: readonly [name: string, value: unknown],
  [name, value]: readonly [name: string, value: T | undefined],
): T | undefined {
  if (before === undefined) return value;
  if (value !== undefined) {
    throw new GemlensError(
      "ARGUMENT",
      `${what}: expected one of ${name} and ${former} (its former name), got both`,
      { option: former },
    );
  }
  if (!warned.has(`${what}.${former}`)) {
    warned.add(`${what}.${former}`);
    process.emitWarning(`${what}: \`${former}\` is now \`${name}\``, {
      type: "DeprecationWarning",
      code: `GEMLENS_${former.toUpperCase()}`,
    });
  }
  return before as T;
}
