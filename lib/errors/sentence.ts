/**
 * Builds an error message. All messages have one form:
 * `encode: expected [.., 2304] for input, got [1, 7, 2048]`.
 *
 * @param caller the operation or the file that the error is about
 * @param subject the argument or field; null if `expected` names it
 * @param remedy appended unchanged, so it brings its own punctuation
 */
export function sentence(
  caller: string,
  expected: string,
  subject: string | null,
  got: unknown,
  remedy = "",
): string {
  const about = subject === null ? "" : ` for ${subject}`;
  return `${caller}: expected ${expected}${about}, got ${String(got)}${remedy}`;
}
