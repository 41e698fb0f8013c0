import { attributeOf, type Bounds, itemOf, sliceOf } from "./attributes.js";
import type { Budget } from "./budget.js";
import type { FilterContext } from "./filter-context.js";
import { filterOf } from "./filters.js";
import { checkedName, globalsFor } from "./globals.js";
import { itemsOf } from "./iterate.js";
import { runLoop } from "./loop.js";
import { macroOf } from "./macro.js";
import { binary, compare, negate, positive } from "./operators.js";
import { textOf } from "./print.js";
import type { Arguments, Expression, MacroSyntax, Slice, Statement, Target } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { TemplateExhausted } from "./template-exhausted.js";
import {
  dictOf,
  failUndefined,
  type Given,
  isTrue,
  isUndefined,
  list,
  tuple,
  typeName,
  undefinedOf,
  type Value,
} from "./value.js";
import { runTest } from "./value-tests.js";

/** The variables of a block. Other names are looked up in the enclosing block. */
export interface Scope {
  readonly variables: Map<string, Value>;
  readonly outer: Scope | undefined;
}

/** How a block ended early. */
export type Ending = "break" | "continue" | undefined;

// Without a limit two macros that call each other would overflow the stack.
const deepest = 400;

export const inner = (outer: Scope): Scope => ({ variables: new Map(), outer });

/**
 * Runs a parsed template like jinja2, within its budget. The engine in this folder is written by hand
 * because those for JavaScript (@huggingface/jinja, nunjucks) differ from Python in text, numbers and
 * printing, and do not limit a template's work.
 */
export class Interpreter {
  readonly budget: Budget;
  readonly #global: (name: string) => Value | undefined;
  readonly #context: FilterContext;
  #depth = 0;

  constructor(budget: Budget) {
    this.budget = budget;
    this.#global = globalsFor(budget);
    this.#context = {
      budget,
      filter: (name, operand, given) => {
        budget.spend(1);
        return filterOf(name)(operand, given, this.#context);
      },
      test: (name, operand, given) => runTest(name, operand, given, budget),
    };
  }

  /** Renders a block in a new scope. */
  textOf(body: readonly Statement[], scope: Scope): string {
    const output: string[] = [];
    this.run(body, scope, output);
    return output.join("");
  }

  /** Runs statements and appends their text to `output`. */
  run(body: readonly Statement[], scope: Scope, output: string[]): Ending {
    for (const statement of body) {
      this.budget.spend(1);
      const ending = this.#deeper(() => this.#statement(statement, scope, output));
      if (ending !== undefined) return ending;
    }
    return undefined;
  }

  #deeper<T>(run: () => T): T {
    if (this.#depth === deepest) throw new TemplateExhausted(`more than ${deepest} levels`);
    this.#depth++;
    try {
      return run();
    } finally {
      this.#depth--;
    }
  }

  #write(text: string, output: string[]): void {
    this.budget.text(text.length);
    output.push(text);
  }

  #statement(statement: Statement, scope: Scope, output: string[]): Ending {
    switch (statement.type) {
      case "data":
        this.#write(statement.text, output);
        return undefined;
      case "output":
        this.#write(textOf(this.evaluate(statement.value, scope), this.budget), output);
        return undefined;
      case "set":
        this.assign(statement.target, this.evaluate(statement.value, scope), scope);
        return undefined;
      case "set block": {
        const text = this.textOf(statement.body, inner(scope));
        const { filter } = statement;
        const value = filter === undefined ? text : this.#filtered(filter, text, scope);
        this.assign(statement.target, value, scope);
        return undefined;
      }
      case "filter block": {
        const text = this.textOf(statement.body, inner(scope));
        this.#write(textOf(this.#filtered(statement.filter, text, scope), this.budget), output);
        return undefined;
      }
      case "if":
        for (const [test, body] of statement.branches) {
          if (isTrue(this.evaluate(test, scope))) return this.run(body, scope, output);
        }
        return this.run(statement.otherwise, scope, output);
      case "for":
        runLoop(this, statement, scope, output);
        return undefined;
      case "with": {
        const within = inner(scope);
        const values = statement.values.map(
          ([target, value]) => [target, this.evaluate(value, scope)] as const,
        );
        for (const [target, value] of values) this.assign(target, value, within);
        return this.run(statement.body, within, output);
      }
      case "macro":
        scope.variables.set(statement.macro.name, macroOf(this, statement.macro, scope));
        return undefined;
      case "call block": {
        const caller = macroOf(this, statement.macro, scope);
        const value = this.#call(statement.call.callee, statement.call.given, scope, caller);
        this.#write(textOf(value, this.budget), output);
        return undefined;
      }
      case "generation":
        this.#write(this.textOf(statement.body, inner(scope)), output);
        return undefined;
      default:
        return statement.type;
    }
  }

  /** Assigns to names in the scope, or to a namespace. */
  assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === "name") {
      scope.variables.set(target.name, value);
      return;
    }
    if (target.type === "namespace") {
      const namespace = this.lookUp(target.name, scope);
      if (typeof namespace !== "object" || namespace?.type !== "namespace") {
        throw new TemplateError("cannot assign attribute on non-namespace object");
      }
      namespace.attributes.set(checkedName(target.attribute), value);
      return;
    }
    if (isUndefined(value)) failUndefined(value);
    const items = itemsOf(value, this.budget);
    if (items.length !== target.items.length) {
      throw new TemplateError(
        `expected ${target.items.length} values to unpack, got ${items.length}`,
      );
    }
    for (const [i, one] of target.items.entries()) this.assign(one, items[i] as Value, scope);
  }

  /** The value of a name. */
  lookUp(name: string, scope: Scope): Value {
    for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
      const value = at.variables.get(name);
      if (value !== undefined) return value;
    }
    return this.#global(name) ?? undefinedOf(`'${name}'`);
  }

  evaluate(node: Expression, scope: Scope): Value {
    this.budget.spend(1);
    return this.#deeper(() => this.#expression(node, scope));
  }

  #expression(node: Expression, scope: Scope): Value {
    const value = (one: Expression): Value => this.evaluate(one, scope);
    switch (node.type) {
      case "constant":
        return node.value;
      case "name":
        return this.lookUp(node.name, scope);
      case "list":
        return list(node.items.map(value));
      case "tuple":
        return tuple(node.items.map(value));
      case "dict":
        return dictOf(node.pairs.map(([key, item]) => [value(key), value(item)]));
      case "attribute":
        return attributeOf(value(node.object), node.name, this.budget);
      case "item":
        return this.#item(value(node.object), node.key, scope);
      case "call":
        return this.#call(node.callee, node.given, scope);
      case "filter":
        return this.#filtered(node, undefined, scope);
      case "test":
        return runTest(node.name, value(node.operand), this.#given(node.given, scope), this.budget);
      case "not":
        return !isTrue(value(node.operand));
      case "negative":
        return negate(value(node.operand));
      case "positive":
        return positive(value(node.operand));
      case "and": {
        const left = value(node.left);
        return isTrue(left) ? value(node.right) : left;
      }
      case "or": {
        const left = value(node.left);
        return isTrue(left) ? left : value(node.right);
      }
      case "binary":
        return binary(node.operator, value(node.left), value(node.right), this.budget);
      case "concat": {
        const texts = node.parts.map((part) => textOf(value(part), this.budget));
        this.budget.text(texts.reduce((sum, { length }) => sum + length, 0));
        return texts.join("");
      }
      case "compare": {
        let left = value(node.first);
        for (const [operator, next] of node.rest) {
          const right = value(next);
          if (!compare(operator, left, right, this.budget)) return false;
          left = right;
        }
        return true;
      }
      case "condition":
        if (isTrue(value(node.test))) return value(node.then);
        return node.otherwise === undefined
          ? undefinedOf("the inline if-expression without else")
          : value(node.otherwise);
    }
  }

  #item(object: Value, key: Expression | Slice, scope: Scope): Value {
    if (key.type !== "slice") return itemOf(object, this.evaluate(key, scope), this.budget);
    const bound = (one: Expression | undefined) => one && this.evaluate(one, scope);
    const bounds: Bounds = {
      start: bound(key.start),
      stop: bound(key.stop),
      step: bound(key.step),
    };
    const part = sliceOf(object, bounds);
    if (typeof part === "string") this.budget.text(part.length);
    else if (typeof part === "object" && part !== null && "items" in part)
      this.budget.spend(part.items.length);
    return part;
  }

  #given({ positional, named }: Arguments, scope: Scope): Given {
    return {
      positional: positional.map((one) => this.evaluate(one, scope)),
      named: new Map(named.map(([name, one]) => [name, this.evaluate(one, scope)])),
    };
  }

  #call(callee: Expression, given: Arguments, scope: Scope, caller?: Value): Value {
    const called = this.evaluate(callee, scope);
    const { positional, named } = this.#given(given, scope);
    if (isUndefined(called)) failUndefined(called);
    if (typeof called !== "object" || called?.type !== "callable") {
      throw new TemplateError(`'${typeName(called)}' object is not callable`);
    }
    const all = caller === undefined ? named : new Map([...named, ["caller", caller] as const]);
    return called.call({ positional, named: all });
  }

  /** Applies a chain of filters to its operand, or to a block's text if it has none. */
  #filtered(node: Expression, text: Value | undefined, scope: Scope): Value {
    if (node.type !== "filter") return this.evaluate(node, scope);
    const operand =
      node.operand === undefined ? (text as Value) : this.#filtered(node.operand, text, scope);
    return this.#context.filter(node.name, operand, this.#given(node.given, scope));
  }

  /** Runs a macro's body in the scope of its definition. */
  runMacro({ body }: MacroSyntax, scope: Scope): string {
    return this.#deeper(() => this.textOf(body, scope));
  }
}
