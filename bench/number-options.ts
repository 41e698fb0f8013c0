// Parsers of numbers for Commander. Plain `Number` turns "abc" into NaN, with which a loop never
// runs or never ends.
import { InvalidArgumentError } from "commander";

function numberOf(text: string, what: string, holds: (value: number) => boolean): number {
  // Number("") is 0.
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!holds(value)) throw new InvalidArgumentError(`Expected ${what}, got ${text || "nothing"}.`);
  return value;
}

export function positiveNumber(text: string): number {
  return numberOf(text, "a positive number", (n) => n > 0 && Number.isFinite(n));
}

export function positiveInteger(text: string): number {
  return numberOf(text, "a positive integer", (n) => n > 0 && Number.isSafeInteger(n));
}

export function nonNegativeInteger(text: string): number {
  return numberOf(text, "an integer from 0", (n) => n >= 0 && Number.isSafeInteger(n));
}

export function share(text: string): number {
  return numberOf(text, "a number from 0 to 1", (n) => n >= 0 && n <= 1);
}
