import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";

/** The error if numbers that must be compared or sorted are not finite. */
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
