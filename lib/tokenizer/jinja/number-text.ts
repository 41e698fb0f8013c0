import { TemplateUnsupported } from "./template-unsupported.js";
import { trim } from "./white-space.js";

function ascii(text: string): string {
  const trimmed = trim(text);
  // Python also accepts digits of other scripts.
  if (/[^\P{Nd}0-9]/u.test(trimmed)) throw new TemplateUnsupported("digits other than 0 to 9");
  return trimmed;
}

/** Python's int(text); undefined if it is not a whole number. */
export function parseInteger(text: string): bigint | undefined {
  const trimmed = ascii(text);
  if (!/^[+-]?\d+(_\d+)*$/.test(trimmed)) return undefined;
  const digits = trimmed.replace(/[_+]/g, "");
  if (digits.length > 1000) throw new TemplateUnsupported("a number of more than 1,000 digits");
  return digits.startsWith("-") ? -BigInt(digits.slice(1)) : BigInt(digits);
}

const decimal = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i;

/** Python's float(text); undefined if it is not a number. */
export function parseFloatText(text: string): number | undefined {
  const trimmed = ascii(text);
  if (decimal.test(trimmed)) return Number(trimmed.replaceAll("_", ""));
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(trimmed);
  if (word === null) return undefined;
  if (word[2]?.toLowerCase() === "nan") return Number.NaN;
  return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
