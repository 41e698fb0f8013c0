import { GemlensError } from "../errors/index.js";
import { spaceOf } from "../hooks/spaces.js";
import { isTensor, originOf } from "../tensor/internal.js";

/**
 * Refuses a tensor that is known to be a vector of another space than the one at `hook`: a coder's
 * direction, or an activation of a run.
 *
 * @throws HOOK
 */
export function checkSpace(what: string, subject: string, vector: unknown, hook: string): void {
  const origin = isTensor(vector) ? originOf(vector)?.hook : undefined;
  if (origin === undefined || spaceOf(origin) === spaceOf(hook)) return;
  throw wrongSpace(what, subject, hook, origin);
}

export function wrongSpace(what: string, subject: string, expected: string, got: string) {
  return new GemlensError(
    "HOOK",
    `${what}: expected a vector of ${expected} for ${subject}, got one of ${got}: they are not of one space ({unchecked: true} takes it all the same)`,
    { expected, got },
  );
}
