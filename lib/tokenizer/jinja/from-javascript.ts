import { argument } from "../../errors/check-options.js";
import { dictOf, list, type Value } from "./value.js";

const deepest = 200;

/** Converts a value like Python's json.loads of its JSON, and returns its size. */
export function fromJavaScript(name: string, value: unknown): [value: Value, size: number] {
  let size = 0;
  return [convert(value, 0), size];

  function convert(from: unknown, level: number): Value {
    size++;
    if (level > deepest) throw refused(`at most ${deepest} levels`, "more");
    if (from === null || from === undefined) return null;
    if (typeof from === "string") {
      size += from.length / 16;
      return from;
    }
    if (typeof from === "boolean" || typeof from === "bigint") return from;
    if (typeof from === "number") return Number.isSafeInteger(from) ? BigInt(from) : from;
    if (Array.isArray(from)) return list(Array.from(from, (item) => convert(item, level + 1)));
    if (typeof from !== "object" || !isPlain(from)) {
      throw refused("texts, numbers, booleans, arrays and plain objects", describe(from));
    }
    const pairs: [Value, Value][] = [];
    for (const [key, item] of Object.entries(from)) {
      if (item === undefined) continue;
      size += key.length / 16;
      pairs.push([key, convert(item, level + 1)]);
    }
    return dictOf(pairs);
  }

  function refused(expected: string, got: string): Error {
    return argument("applyChatTemplate", expected, name, got);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm, such as a test runner's, have that realm's Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  return `a ${value.constructor?.name ?? "class"}`;
}
