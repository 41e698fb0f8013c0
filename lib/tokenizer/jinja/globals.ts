import type { Budget } from "./budget.js";
import { bind, textArgument } from "./call-arguments.js";
import { itemsOf } from "./iterate.js";
import { textOf } from "./print.js";
import { strftimeNow } from "./strftime.js";
import { TemplateError } from "./template-error.js";
import { TemplateExhausted } from "./template-exhausted.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { dictOf, type Given, indexOf, type PyDict, typeName, type Value } from "./value.js";

// jinja2's sandbox allows ten times this many.
const mostRange = 10_000;

const unsupported = new Set(["cycler", "joiner", "lipsum", "self", "super"]);

/** The global functions that transformers provides to templates. */
export function globalsFor(budget: Budget): (name: string) => Value | undefined {
  const callable = (name: string, call: (given: Given) => Value): [string, Value] => [
    name,
    { type: "callable", name, call },
  ];
  const globals = new Map<string, Value>([
    callable("range", range),
    callable("dict", (given) => dictFrom("dict", given, budget)),
    callable("namespace", (given) => {
      const { entries } = dictFrom("namespace", given, budget);
      const attributes = new Map<string, Value>();
      for (const [key, value] of entries.values()) {
        if (typeof key !== "string")
          throw new TemplateUnsupported("a namespace with names that are no texts");
        attributes.set(checkedName(key), value);
      }
      return { type: "namespace", attributes };
    }),
    callable("strftime_now", (given) =>
      strftimeNow(textArgument("strftime_now", bind("strftime_now", "format", given)["format"])),
    ),
    callable("raise_exception", (given) => {
      throw new TemplateError(
        textOf(bind("raise_exception", "message", given)["message"] as Value, budget),
      );
    }),
  ]);
  return (name) => {
    const value = globals.get(name);
    if (value === undefined && unsupported.has(name)) throw new TemplateUnsupported(name);
    return value;
  };
}

/** Checks the name of a namespace's attribute, which must not begin with "_". */
export function checkedName(name: string): string {
  if (!name.startsWith("_")) return name;
  throw new TemplateError(
    `Chat templates cannot store underscore-prefixed attributes on a namespace, but got ${name}`,
  );
}

function range({ positional, named }: Given): Value {
  if (named.size > 0) throw new TemplateError("range() takes no keyword arguments");
  const [first, second, third] = positional;
  if (first === undefined || positional.length > 3)
    throw new TemplateError("range expected 1 to 3 arguments");
  const whole = (value: Value) => {
    if (typeof value !== "number") return indexOf(value, "range");
    throw new TemplateError("'float' object cannot be interpreted as an integer");
  };
  const [start, stop] = second === undefined ? [0, whole(first)] : [whole(first), whole(second)];
  const step = third === undefined ? 1 : whole(third);
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > mostRange) throw new TemplateExhausted(`a range of ${length}`);
  return { type: "range", start: BigInt(start), stop: BigInt(stop), step: BigInt(step), length };
}

function dictFrom(caller: string, { positional, named }: Given, budget: Budget): PyDict {
  if (positional.length > 1) throw new TemplateError(`${caller} expected at most 1 argument`);
  const [from] = positional;
  const pairs: (readonly [Value, Value])[] = [];
  if (typeof from === "object" && from?.type === "dict") pairs.push(...from.entries.values());
  else if (from !== undefined) {
    for (const item of itemsOf(from, budget)) {
      const [key, value, ...rest] = itemsOf(item, budget);
      if (key === undefined || value === undefined || rest.length > 0) {
        throw new TemplateError(`${caller}: expected pairs, got ${typeName(item)}`);
      }
      pairs.push([key, value]);
    }
  }
  budget.spend(pairs.length);
  return dictOf([...pairs, ...named]);
}
