/**
 * Checks of values in tokenizer files. They are written by hand because zod would collect issues for
 * hundreds of thousands of vocabulary entries and merges, and its messages differ from ours.
 */
import { show } from "../errors/show-value.js";
import { fail } from "./fail.js";

/** The position of a value in a JSON file, for messages. */
export interface JsonField {
  readonly file: string;
  /** Keys and indices with dots between them; "" for the whole file. */
  readonly path: string;
}

/** The field of a key in an object, or of an item in a list. */
export function inside({ file, path }: JsonField, key: string | number): JsonField {
  return { file, path: path === "" ? String(key) : `${path}.${key}` };
}

/** Throws TOKENIZER for the value of a field. */
export function wrong({ file, path }: JsonField, expected: string, got: unknown): never {
  return fail(file, path === "" ? "file" : path, expected, show(got));
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function checkObject(value: unknown, field: JsonField): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : wrong(field, "an object", value);
}

export function checkList(value: unknown, field: JsonField, most: number): readonly unknown[] {
  if (!Array.isArray(value)) return wrong(field, "a list", value);
  if (value.length > most) wrong(field, `at most ${most} entries`, value.length);
  return value;
}

/** Checks a text of `least` to `most` UTF-16 units. */
export function checkText(value: unknown, field: JsonField, least: number, most: number): string {
  if (typeof value !== "string") return wrong(field, "a text", value);
  if (value.length < least || value.length > most) {
    wrong(field, `a text of ${least} to ${most} characters`, value.length);
  }
  return value;
}

/** Checks a flag; a missing one is false. */
export function checkFlag(value: unknown, field: JsonField): boolean {
  if (value === undefined || value === null) return false;
  return typeof value === "boolean" ? value : wrong(field, "true or false", value);
}

export function checkOneOf<T extends string>(
  value: unknown,
  field: JsonField,
  list: readonly T[],
): T {
  const found = list.find((item) => item === value);
  return found ?? wrong(field, `one of ${list.join(" ")}`, value);
}
