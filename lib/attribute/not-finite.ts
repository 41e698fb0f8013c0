import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** The error for numbers that were to be compared or put in order and cannot be. */
export function notFinite(caller: string, subject: string, cause?: unknown): GemlensError {
  return new GemlensError(
    "ARGUMENT",
    sentence(
      caller,
      "finite numbers",
      `the ${subject}`,
      "some that are not finite (NaN or Infinity)",
    ),
    { subject },
    cause,
  );
}
