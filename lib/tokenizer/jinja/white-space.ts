// Python's white space: str.isspace, and \s of its regular expressions.
export const spaceClass =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const space = new RegExp(`[${spaceClass}]`);

/** Whether `text` has white space at `index`. Every white-space character is one UTF-16 unit. */
const isSpaceAt = (text: string, index: number): boolean => space.test(text.charAt(index));

/** Python's str.lstrip(). */
export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpaceAt(text, start)) start++;
  return text.slice(start);
}

/** Python's str.rstrip(). */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpaceAt(text, end - 1)) end--;
  return text.slice(0, end);
}

/** Python's str.strip(). */
export const trim = (text: string): string => trimEnd(trimStart(text));
