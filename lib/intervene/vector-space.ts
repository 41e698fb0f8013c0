import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { foreignHook } from "../hooks/spaces.js";

/**
 * Refuses a tensor that is known to be a vector of another space than `hook`: a coder's direction,
 * an activation of a run, or a sum with one. The spaces of the hooks in `others` are accepted too.
 *
 * @throws HOOK if the tensor is of another space
 */
export function checkSpace(
  caller: string,
  subject: string,
  vector: unknown,
  hook: string,
  ...others: readonly string[]
): void {
  const foreign = foreignHook(vector, hook, ...others);
  if (foreign !== undefined) throw wrongSpace(caller, subject, hook, foreign);
}

function wrongSpace(caller: string, subject: string, expected: string, got: string) {
  return new GemlensError(
    "HOOK",
    sentence(
      caller,
      `a vector of ${expected}`,
      subject,
      `one of ${got}`,
      ": they are not of one space ({unchecked: true} accepts it)",
    ),
    { expected, got },
  );
}
