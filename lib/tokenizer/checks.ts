import { show } from "../errors/show-value.js";
import { fail } from "./fail.js";

/** Where in which file a value stands, for messages. */
export interface Place {
  readonly file: string;
  readonly field: string;
}

/** The place of a key, or of an item of a list. */
export function inside({ file, field }: Place, key: string | number): Place {
  return { file, field: field === "" ? String(key) : `${field}.${key}` };
}

/** Refuses the value with TOKENIZER. */
export function wrong({ file, field }: Place, expected: string, got: unknown): never {
  return fail(file, field === "" ? "file" : field, expected, show(got));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function checkObject(value: unknown, place: Place): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : wrong(place, "an object", value);
}

export function checkList(value: unknown, place: Place, most: number): readonly unknown[] {
  if (!Array.isArray(value)) return wrong(place, "a list", value);
  if (value.length > most) wrong(place, `at most ${most} entries`, value.length);
  return value;
}

/** A text of `least` to `most` characters (UTF-16 units). */
export function checkText(value: unknown, place: Place, least: number, most: number): string {
  if (typeof value !== "string") return wrong(place, "a text", value);
  if (value.length < least || value.length > most) {
    wrong(place, `a text of ${least} to ${most} characters`, value.length);
  }
  return value;
}

/** A flag; false where there is none. */
export function checkFlag(value: unknown, place: Place): boolean {
  if (value === undefined || value === null) return false;
  return typeof value === "boolean" ? value : wrong(place, "true or false", value);
}

export function checkOneOf<T extends string>(value: unknown, place: Place, list: readonly T[]): T {
  const found = list.find((item) => item === value);
  return found ?? wrong(place, `one of ${list.join(" ")}`, value);
}
