import type { Budget } from "./budget.js";
import { bind } from "./call-arguments.js";
import { attributeGetter, caseFolded, type Filter, type FilterContext } from "./filter-context.js";
import { itemsOf, iterate, sizeOf } from "./iterate.js";
import { binary, order } from "./operators.js";
import { textOf } from "./print.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { codePoints } from "./text.js";
import {
  failUndefined,
  type Given,
  generator,
  isTrue,
  isUndefined,
  keyOf,
  list,
  tuple,
  typeName,
  undefinedOf,
  type Value,
} from "./value.js";

const size: Filter = (value, given) => {
  bind("length", "", given);
  return BigInt(sizeOf(value));
};

const otherwise: Filter = (value, given) => {
  const { default_value = "", boolean = false } = bind("default", "default_value? boolean?", given);
  return isUndefined(value) || (isTrue(boolean) && !isTrue(value)) ? default_value : value;
};

/** Sorts like Python: stable, and with < only. */
function sorted(
  items: readonly Value[],
  keyed: (item: Value) => Value,
  reverse: boolean,
  { budget }: FilterContext,
): Value[] {
  const pairs = items.map((item) => [keyed(item), item] as const);
  budget.spend(items.length * Math.log2(items.length + 1));
  if (reverse) pairs.reverse();
  pairs.sort(([a], [b]) => order(a, b, "<", budget) ?? 0);
  if (reverse) pairs.reverse();
  return pairs.map(([, item]) => item);
}

const sort: Filter = (value, given, context) => {
  const {
    reverse = false,
    case_sensitive = false,
    attribute,
  } = bind("sort", "reverse? case_sensitive? attribute?", given);
  const names: (Value | undefined)[] =
    typeof attribute === "string" ? attribute.split(",") : [attribute];
  const getters = names.map((name) => attributeGetter(name, context));
  const fold = isTrue(case_sensitive) ? (item: Value) => item : caseFolded;
  const key = (item: Value): Value => list(getters.map((get) => fold(get(item))));
  return list(sorted(itemsOf(value, context.budget), key, isTrue(reverse), context));
};

const dictSort: Filter = (value, given, context) => {
  const {
    case_sensitive = false,
    by = "key",
    reverse = false,
  } = bind("dictsort", "case_sensitive? by? reverse?", given);
  if (by !== "key" && by !== "value")
    throw new TemplateError('You can only sort by either "key" or "value"');
  if (typeof value !== "object" || value?.type !== "dict") return fails("dictsort", value);
  const pairs = Array.from(value.entries.values(), (pair) => tuple(pair));
  const fold = isTrue(case_sensitive) ? (item: Value) => item : caseFolded;
  const key = (pair: Value): Value =>
    fold((pair as { items: readonly Value[] }).items[by === "key" ? 0 : 1] as Value);
  return list(sorted(pairs, key, isTrue(reverse), context));
};

function fails(filter: string, value: Value): never {
  if (isUndefined(value)) failUndefined(value);
  throw new TemplateError(`${filter}: '${typeName(value)}' object is of the wrong type`);
}

const unique: Filter = (value, given, context) => {
  const { case_sensitive = false, attribute } = bind("unique", "case_sensitive? attribute?", given);
  const get = attributeGetter(attribute, context);
  const fold = isTrue(case_sensitive) ? (item: Value) => item : caseFolded;
  const seen = new Set<string>();
  return lazily("unique", value, context, (item) => {
    const key = fold(get(item));
    const id = isUndefined(key) ? "u" : keyOf(key);
    if (seen.has(id)) return undefined;
    seen.add(id);
    return item;
  });
};

/** A generator of `change`'s result for each item; it skips an item without a result. */
function lazily(
  name: string,
  value: Value,
  { budget }: FilterContext,
  change: (item: Value) => Value | undefined,
): Value {
  function* run(): Iterable<Value> {
    for (const item of iterate(value, budget)) {
      budget.spend(1);
      const changed = change(item);
      if (changed !== undefined) yield changed;
    }
  }
  return generator(name, run());
}

const extreme =
  (sign: "<" | ">"): Filter =>
  (value, given, context) => {
    const { case_sensitive = false, attribute } = bind("min", "case_sensitive? attribute?", given);
    const get = attributeGetter(attribute, context);
    const fold = isTrue(case_sensitive) ? (item: Value) => item : caseFolded;
    const items = itemsOf(value, context.budget);
    const [first] = items;
    if (first === undefined) return undefinedOf("No aggregated item, sequence was empty, which");
    let best = first;
    for (const item of items.slice(1)) {
      const found = order(fold(get(item)), fold(get(best)), sign, context.budget) ?? 0;
      if (sign === "<" ? found < 0 : found > 0) best = item;
    }
    return best;
  };

const sum: Filter = (value, given, context) => {
  const { attribute, start = 0n } = bind("sum", "attribute? start?", given);
  const get = attributeGetter(attribute, context);
  let total = start;
  if (typeof total === "string") throw new TemplateError("sum() can't sum strings");
  for (const item of itemsOf(value, context.budget)) {
    total = binary("+", total, get(item), context.budget);
    // Python's sum of floats is more accurate than plain addition.
    if (typeof total === "number") throw new TemplateUnsupported("sum of floats");
  }
  return total;
};

const map: Filter = (value, given, context) => {
  const { positional, named } = given;
  let change: (item: Value) => Value;
  if (positional.length === 0 && named.has("attribute")) {
    for (const name of named.keys()) {
      if (name !== "attribute" && name !== "default")
        throw new TemplateError(`map: unexpected keyword argument '${name}'`);
    }
    change = attributeGetter(named.get("attribute"), context, named.get("default") ?? null);
  } else {
    const [name, ...rest] = positional;
    if (typeof name !== "string") throw new TemplateError("map requires a filter argument");
    change = (item) => context.filter(name, item, { positional: rest, named });
  }
  return lazily("map", isTrue(value) ? value : list([]), context, change);
};

const selecting =
  (keeps: boolean, byAttribute: boolean): Filter =>
  (value, { positional, named }, context) => {
    const given = [...positional];
    const attribute = byAttribute ? given.shift() : undefined;
    if (byAttribute && attribute === undefined)
      throw new TemplateError("Missing parameter for attribute name");
    const get = attributeGetter(attribute, context);
    const [test, ...rest] = given;
    const passes = (item: Value): boolean => {
      if (test === undefined) return isTrue(item);
      if (typeof test !== "string") throw new TemplateError("select: expected a test's name");
      return context.test(test, item, { positional: rest, named } satisfies Given);
    };
    const source = isTrue(value) ? value : list([]);
    return lazily("select", source, context, (item) =>
      passes(get(item)) === keeps ? item : undefined,
    );
  };

/** Fails only during iteration, like a Python generator. */
function* pairsOf(value: Value, budget: Budget): Iterable<Value> {
  if (typeof value !== "object" || value?.type !== "dict") {
    throw new TemplateError("Can only get item pairs from a mapping.");
  }
  yield* iterate({ type: "view", of: "items", dict: value }, budget);
}

export const sequenceFilters: Readonly<Record<string, Filter>> = {
  length: size,
  count: size,
  default: otherwise,
  d: otherwise,
  sort,
  dictsort: dictSort,
  unique,
  min: extreme("<"),
  max: extreme(">"),
  sum,
  map,
  select: selecting(true, false),
  reject: selecting(false, false),
  selectattr: selecting(true, true),
  rejectattr: selecting(false, true),
  list: (value, given, { budget }) => {
    bind("list", "", given);
    return list(itemsOf(value, budget));
  },
  items: (value, given, { budget }) => {
    bind("items", "", given);
    if (isUndefined(value)) return generator("items", []);
    return generator("items", pairsOf(value, budget));
  },
  first: (value, given, { budget }) => {
    bind("first", "", given);
    const next = iterate(value, budget).next();
    return next.done ? undefinedOf("No first item, sequence was empty, which") : next.value;
  },
  last: (value, given, { budget }) => {
    bind("last", "", given);
    if (typeof value === "object" && value?.type === "generator") {
      throw new TemplateError("'generator' object is not reversible");
    }
    return itemsOf(value, budget).at(-1) ?? undefinedOf("No last item, sequence was empty, which");
  },
  reverse: (value, given, { budget }) => {
    bind("reverse", "", given);
    if (typeof value === "string") return codePoints(value).toReversed().join("");
    const items = itemsOf(value, budget).reverse();
    const isGenerator = typeof value === "object" && value?.type === "generator";
    return isGenerator ? list(items) : generator("reversed", items);
  },
  join: (value, given, context) => {
    const { d = "", attribute } = bind("join", "d? attribute?", given);
    const { budget } = context;
    const get = attributeGetter(attribute, context);
    const texts = itemsOf(value, budget).map((item) => textOf(get(item), budget));
    const separator = textOf(d, budget);
    budget.text(texts.reduce((total, text) => total + text.length + separator.length, 0));
    return texts.join(separator);
  },
};
