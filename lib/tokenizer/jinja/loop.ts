import { type Interpreter, inner, type Scope } from "./interpreter.js";
import { iterate } from "./iterate.js";
import { equals } from "./operators.js";
import type { Statement, Target } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { isTrue, type LoopState, tuple, undefinedOf, type Value } from "./value.js";

type ForStatement = Statement & { readonly type: "for" };

/** Runs a loop's body for each item, or its else part if there are no items. */
export function runLoop(
  interpreter: Interpreter,
  statement: ForStatement,
  scope: Scope,
  output: string[],
): void {
  const { budget } = interpreter;
  const iterable = interpreter.evaluate(statement.iterable, scope);
  const progress = new Progress(filtered());
  const loop = loopState(progress, (a, b) => equals(a, b, budget));
  // jinja2 counts an iteration at its end, so one that breaks or continues does not count.
  let ran = false;
  for (let item = progress.next(); item !== undefined; item = progress.next()) {
    const within = inner(scope);
    within.variables.set("loop", loop);
    interpreter.assign(statement.target, item, within);
    const ending = interpreter.run(statement.body, within, output);
    if (ending === "break") break;
    ran ||= ending === undefined;
  }
  if (!ran) interpreter.run(statement.otherwise, inner(scope), output);

  // Filter lazily, because the body may change variables that the test reads.
  function* filtered(): Generator<Value, void, undefined> {
    for (const item of iterate(iterable, budget)) {
      budget.spend(1);
      if (statement.test !== undefined) {
        const within = inner(scope);
        within.variables.set("loop", undefinedOf("'loop'"));
        interpreter.assign(statement.target, item, within);
        if (isTrue(interpreter.evaluate(statement.test, within)))
          yield repacked(statement.target, within);
      } else yield item;
    }
  }
}

/** The value assigned to a target: a loop with a test continues with it. */
function repacked(target: Target, { variables }: Scope): Value {
  if (target.type === "tuple")
    return tuple(target.items.map((item) => repacked(item, { variables, outer: undefined })));
  return variables.get(target.name) as Value;
}

/** The position of a loop. It looks ahead only on demand. */
class Progress {
  readonly #items: Iterator<Value>;
  #ahead: Value[] = [];
  #ended = false;
  index = -1;
  before: Value | undefined;
  current: Value | undefined;
  changed: readonly Value[] | undefined;

  constructor(items: Iterator<Value>) {
    this.#items = items;
  }

  next(): Value | undefined {
    const item = this.#ahead.length > 0 ? this.#ahead.shift() : this.#pull();
    if (item === undefined) return undefined;
    this.index++;
    this.before = this.current;
    this.current = item;
    return item;
  }

  #pull(): Value | undefined {
    if (this.#ended) return undefined;
    const next = this.#items.next();
    if (!next.done) return next.value;
    this.#ended = true;
    return undefined;
  }

  peek(): Value | undefined {
    if (this.#ahead.length === 0) {
      const item = this.#pull();
      if (item !== undefined) this.#ahead.push(item);
    }
    return this.#ahead[0];
  }

  get length(): number {
    for (let item = this.#pull(); item !== undefined; item = this.#pull()) this.#ahead.push(item);
    return this.index + 1 + this.#ahead.length;
  }
}

function loopState(progress: Progress, same: (a: Value, b: Value) => boolean): LoopState {
  const callable = (name: string, call: (positional: readonly Value[]) => Value): Value => ({
    type: "callable",
    name,
    call: ({ positional, named }) => {
      if (named.size > 0) throw new TemplateError(`${name}: unexpected keyword arguments`);
      return call(positional);
    },
  });
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => BigInt(progress.index + 1),
    index0: () => BigInt(progress.index),
    revindex: () => BigInt(progress.length - progress.index),
    revindex0: () => BigInt(progress.length - progress.index - 1),
    first: () => progress.index === 0,
    last: () => progress.peek() === undefined,
    length: () => BigInt(progress.length),
    depth: () => 1n,
    depth0: () => 0n,
    previtem: () => progress.before ?? undefinedOf("there is no previous item, which"),
    nextitem: () => progress.peek() ?? undefinedOf("there is no next item, which"),
    cycle: () =>
      callable("cycle", (items) => {
        if (items.length === 0) throw new TemplateError("no items for cycling given");
        return items[progress.index % items.length] as Value;
      }),
    changed: () =>
      callable("changed", (items) => {
        const { changed } = progress;
        const isSame =
          changed?.length === items.length &&
          items.every((item, i) => same(item, changed[i] as Value));
        progress.changed = items;
        return !isSame;
      }),
  };
  return {
    type: "loop",
    attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name]?.() : undefined),
  };
}
