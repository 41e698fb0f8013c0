import type { Budget } from "./budget.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { codePoints } from "./text.js";
import { typeName, type Value } from "./value.js";

/** Iterates over a value like a loop. */
export function* iterate(value: Value, budget: Budget): Generator<Value, void, undefined> {
  if (typeof value === "string") {
    budget.text(value.length);
    for (const char of codePoints(value)) yield char;
    return;
  }
  if (value === null || typeof value !== "object") {
    throw new TemplateError(`'${typeName(value)}' object is not iterable`);
  }
  switch (value.type) {
    case "list":
    case "tuple":
      yield* value.items;
      return;
    case "dict":
      for (const [key] of value.entries.values()) yield key;
      return;
    case "view":
      for (const [key, item] of value.dict.entries.values()) {
        if (value.of === "keys") yield key;
        else if (value.of === "values") yield item;
        else yield { type: "tuple", items: [key, item] };
      }
      return;
    case "range":
      for (let i = 0; i < value.length; i++) yield value.start + value.step * BigInt(i);
      return;
    case "generator":
      for (let next = value.iterator.next(); !next.done; next = value.iterator.next())
        yield next.value;
      return;
    case "undefined":
      return;
    case "markup":
      throw new TemplateUnsupported("a loop over a |safe value");
    default:
      throw new TemplateError(`'${typeName(value)}' object is not iterable`);
  }
}

/** Collects the values of an iterable, and spends a step for each. */
export function itemsOf(value: Value, budget: Budget): Value[] {
  const items: Value[] = [];
  for (const item of iterate(value, budget)) {
    budget.spend(1);
    items.push(item);
  }
  return items;
}

/** Python's len. */
export function sizeOf(value: Value): number {
  if (typeof value === "string") return codePoints(value).length;
  if (typeof value === "object" && value !== null) {
    if (value.type === "list" || value.type === "tuple") return value.items.length;
    if (value.type === "dict") return value.entries.size;
    if (value.type === "view") return value.dict.entries.size;
    if (value.type === "range") return value.length;
    if (value.type === "undefined") return 0;
    if (value.type === "markup") return codePoints(value.text).length;
  }
  throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
}
