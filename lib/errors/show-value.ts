/** Shows values from outside in error messages: short, on one line, printable. */

const longestValue = 120;
const longestPart = 200;
const mostItems = 16;
const mostLevels = 4;

// Control characters and direction marks could forge log lines or steer a terminal. Lone surrogates
// can't be written as UTF-8.
const unprintable =
  /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/** Escapes unprintable characters, so that the text stays on one line, and truncates it to `longest`. */
export function printable(text: string, longest = longestPart): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 3)}...` : text;
  return cut.replace(
    unprintable,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Formats a value from outside like JSON, truncated to 120 characters. */
export function show(value: unknown): string {
  return printable(brief(value, 0), longestValue);
}

/** Works like JSON.stringify, but stops early: the value may be deeply nested, or 100 MB long. */
function brief(value: unknown, level: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, longestValue));
  if (typeof value !== "object" || value === null) return String(value);
  const list = Array.isArray(value);
  const parts: string[] = [];
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    if (level === mostLevels || parts.length === mostItems) {
      parts.push("...");
      break;
    }
    const item = brief((value as Record<string, unknown>)[key], level + 1);
    parts.push(list ? item : `${JSON.stringify(key.slice(0, longestValue))}:${item}`);
  }
  return list ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
}

/** Formats a caller's argument: names objects and functions instead of showing them. Never throws. */
export function shortly(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    if (value.length > 8) return `an array of ${value.length}`;
    return `[${value.map((item) => (typeof item === "object" ? "…" : String(item))).join(", ")}]`;
  }
  return `an object (${value.constructor?.name ?? "null prototype"})`;
}
