import { itemOf } from "./attributes.js";
import type { Budget } from "./budget.js";
import { parseInteger } from "./number-text.js";
import { textOf } from "./print.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { type Given, isUndefined, type Value } from "./value.js";

/** The context of a filter or test, in addition to its operand. */
export interface FilterContext {
  readonly budget: Budget;
  filter(name: string, operand: Value, given: Given): Value;
  test(name: string, operand: Value, given: Given): boolean;
}

export type Filter = (operand: Value, given: Given, context: FilterContext) => Value;

/** Converts the operand to a str, as most text filters do. */
export function softText(value: Value, { budget }: FilterContext): string {
  if (typeof value === "object" && value?.type === "markup") {
    throw new TemplateUnsupported("a filter of a |safe value");
  }
  const text = textOf(value, budget);
  budget.text(text.length);
  return text;
}

/** Returns a function that gets an `attribute` such as "function.name" or 0 of a value. */
export function attributeGetter(
  attribute: Value | undefined,
  { budget }: FilterContext,
  otherwise: Value = null,
): (item: Value) => Value {
  if (attribute === undefined || attribute === null) return (item) => item;
  const parts: Value[] =
    typeof attribute === "string"
      ? attribute
          .split(".")
          .map((part) => (/^\p{Nd}+$/u.test(part) ? (parseInteger(part) as bigint) : part))
      : [attribute];
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = itemOf(value, part, budget);
      if (otherwise !== null && isUndefined(value)) value = otherwise;
    }
    return value;
  };
}

/** Lower-cases texts: filters that sort or compare ignore case by default. */
export function caseFolded(value: Value): Value {
  return typeof value === "string" ? value.toLowerCase() : value;
}
