import { filterNames, testNames } from "./known-names.js";
import { type Token, tokenize } from "./lexer.js";
import type {
  Arguments,
  BinaryOperator,
  CompareOperator,
  Constant,
  Expression,
  Slice,
} from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";

// Python's limit is 1,000 frames, with a dozen for each level. Gemma's templates have 5 levels.
const deepest = 120;

const constants: ReadonlyMap<string, Constant> = new Map<string, Constant>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
const compareOperators: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const factors: ReadonlySet<string> = new Set(["*", "/", "//", "%"]);
const noArguments: Arguments = { positional: [], named: [] };

/** Options for `tuple`. */
interface TupleRules {
  readonly parts: "expressions" | "no conditions" | "primaries";
  readonly end?: string;
  readonly inBrackets?: boolean;
}

/** Parses expressions of a template with jinja2's precedences. */
export abstract class ExpressionParser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  /** The names that each open macro reads. */
  protected readonly readers: Set<string>[] = [];

  /** Called for every name that is read, inside a macro or not. */
  protected abstract onRead(name: string): void;

  constructor(template: string) {
    this.#tokens = tokenize(template);
  }

  // Tokens

  protected get token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  protected next(): Token {
    const { token } = this;
    if (token.type !== "eof") this.#at++;
    return token;
  }

  protected is(type: Token["type"], value?: string): boolean {
    return this.token.type === type && (value === undefined || this.token.value === value);
  }

  protected skip(type: Token["type"], value: string): boolean {
    const found = this.is(type, value);
    if (found) this.next();
    return found;
  }

  protected expect(type: Token["type"], value?: string): Token {
    if (!this.is(type, value))
      this.fail(`expected ${value ?? type}, got ${this.token.value || this.token.type}`);
    return this.next();
  }

  protected fail(reason: string): never {
    throw new TemplateError(reason);
  }

  #isOperator(value: string): boolean {
    return this.is("operator", value);
  }

  protected follows(type: Token["type"], value: string): boolean {
    const token = this.#tokens[this.#at + 1];
    return token?.type === type && token.value === value;
  }

  protected deeper<T>(parsePart: () => T): T {
    if (this.#depth === deepest) throw new TemplateUnsupported(`more than ${deepest} levels`);
    this.#depth++;
    try {
      return parsePart();
    } finally {
      this.#depth--;
    }
  }

  // Expressions

  expression(withCondition = true): Expression {
    return this.deeper(() => (withCondition ? this.#condition() : this.#or()));
  }

  tuple({ parts, end, inBrackets = false }: TupleRules): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.expect("operator", ",");
      const ends = ["variable_end", "block_end"].includes(this.token.type);
      if (ends || this.#isOperator(")") || (end !== undefined && this.is("name", end))) break;
      items.push(parts === "primaries" ? this.primary() : this.expression(parts === "expressions"));
      if (!this.#isOperator(",")) break;
      isTuple = true;
    }
    if (!isTuple) {
      const [only] = items;
      if (only !== undefined) return only;
      if (!inBrackets)
        this.fail(`Expected an expression, got ${this.token.value || this.token.type}`);
    }
    return { type: "tuple", items };
  }

  #condition(): Expression {
    let then = this.#or();
    while (this.skip("name", "if")) {
      const test = this.#or();
      const otherwise = this.skip("name", "else")
        ? this.deeper(() => this.#condition())
        : undefined;
      then = { type: "condition", test, then, otherwise };
    }
    return then;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.skip("name", "or")) left = { type: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.skip("name", "and")) left = { type: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.skip("name", "not")) return this.#compare();
    return { type: "not", operand: this.deeper(() => this.#not()) };
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [CompareOperator, Expression][] = [];
    for (;;) {
      const { type, value } = this.token;
      if (type === "operator" && compareOperators.has(value)) {
        this.next();
        rest.push([value as CompareOperator, this.#sum()]);
      } else if (this.skip("name", "in")) {
        rest.push(["in", this.#sum()]);
      } else if (this.is("name", "not") && this.follows("name", "in")) {
        this.next();
        this.next();
        rest.push(["not in", this.#sum()]);
      } else break;
    }
    return rest.length === 0 ? first : { type: "compare", first, rest };
  }

  #sum(): Expression {
    return this.#binary(() => this.#concat(), new Set(["+", "-"]));
  }

  #concat(): Expression {
    const parts = [this.#product()];
    while (this.skip("operator", "~")) parts.push(this.#product());
    return parts.length === 1 ? (parts[0] as Expression) : { type: "concat", parts };
  }

  #product(): Expression {
    return this.#binary(() => this.#power(), factors);
  }

  #power(): Expression {
    return this.#binary(() => this.#unary(true), new Set(["**"]));
  }

  #binary(operand: () => Expression, operators: ReadonlySet<string>): Expression {
    let left = operand();
    while (this.token.type === "operator" && operators.has(this.token.value)) {
      const operator = this.next().value as BinaryOperator;
      left = { type: "binary", operator, left, right: operand() };
    }
    return left;
  }

  #unary(withFilter: boolean): Expression {
    let node: Expression;
    if (this.skip("operator", "-")) {
      node = { type: "negative", operand: this.deeper(() => this.#unary(false)) };
    } else if (this.skip("operator", "+")) {
      node = { type: "positive", operand: this.deeper(() => this.#unary(false)) };
    } else node = this.primary();
    node = this.#postfix(node);
    return withFilter ? this.#filters(node) : node;
  }

  primary(): Expression {
    const { type, value } = this.token;
    if (type === "name") {
      this.next();
      const constant = constants.get(value);
      if (constant !== undefined) return { type: "constant", value: constant };
      for (const reader of this.readers) reader.add(value);
      this.onRead(value);
      return { type: "name", name: value };
    }
    if (type === "string") {
      let text = "";
      while (this.is("string")) text += this.next().value;
      return { type: "constant", value: text };
    }
    if (type === "integer") return { type: "constant", value: BigInt(this.next().value) };
    if (type === "float") return { type: "constant", value: Number(this.next().value) };
    if (this.skip("operator", "(")) {
      const inside = this.deeper(() => this.tuple({ parts: "expressions", inBrackets: true }));
      this.expect("operator", ")");
      return inside;
    }
    if (this.skip("operator", "[")) {
      return { type: "list", items: this.#items("]", () => this.expression()) };
    }
    if (this.skip("operator", "{")) {
      const pairs = this.#items("}", () => {
        const key = this.expression();
        this.expect("operator", ":");
        return [key, this.expression()] as const;
      });
      return { type: "dict", pairs };
    }
    return this.fail(`unexpected ${value || type}`);
  }

  /** Parses items with commas between them, an optional trailing comma and the closing bracket. */
  #items<T>(close: string, parsePart: () => T): T[] {
    const items: T[] = [];
    while (!this.#isOperator(close)) {
      if (items.length > 0) this.expect("operator", ",");
      if (this.#isOperator(close)) break;
      items.push(parsePart());
    }
    this.next();
    return items;
  }

  #postfix(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.#isOperator(".") || this.#isOperator("[")) node = this.#member(node);
      else if (this.#isOperator("(")) node = { type: "call", callee: node, given: this.given() };
      else return node;
    }
  }

  #member(object: Expression): Expression {
    if (this.skip("operator", ".")) {
      const { type, value } = this.next();
      if (type === "name") return { type: "attribute", object, name: value };
      if (type !== "integer") this.fail("expected name or number");
      return { type: "item", object, key: { type: "constant", value: BigInt(value) } };
    }
    this.next();
    const keys: (Expression | Slice)[] = [];
    while (!this.#isOperator("]")) {
      if (keys.length > 0) this.expect("operator", ",");
      keys.push(this.#subscript());
    }
    this.next();
    const [key] = keys;
    if (keys.length === 1 && key !== undefined) return { type: "item", object, key };
    const items = keys.map((one) => {
      if (one.type === "slice") throw new TemplateUnsupported("slices of several axes");
      return one;
    });
    return { type: "item", object, key: { type: "tuple", items } };
  }

  #subscript(): Expression | Slice {
    const ends = () => this.#isOperator("]") || this.#isOperator(",");
    let start: Expression | undefined;
    if (!this.#isOperator(":")) {
      start = this.expression();
      if (!this.#isOperator(":")) return start;
    }
    this.next();
    const stop = this.#isOperator(":") || ends() ? undefined : this.expression();
    const hasStep = this.skip("operator", ":");
    return { type: "slice", start, stop, step: hasStep && !ends() ? this.expression() : undefined };
  }

  /** Parses the arguments of a call, including brackets. */
  protected given(): Arguments {
    this.expect("operator", "(");
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    let count = 0;
    while (!this.#isOperator(")")) {
      if (count++ > 0) {
        this.expect("operator", ",");
        if (this.#isOperator(")")) break;
      }
      if (this.#isOperator("*") || this.#isOperator("**")) {
        throw new TemplateUnsupported(`${this.token.value} in a call`);
      }
      if (this.is("name") && this.follows("operator", "=")) {
        const name = this.next().value;
        this.next();
        if (named.some(([other]) => other === name))
          this.fail(`keyword argument repeated: ${name}`);
        named.push([name, this.expression()]);
      } else {
        if (named.length > 0) this.fail("invalid syntax for function call expression");
        positional.push(this.expression());
      }
    }
    this.next();
    return { positional, named };
  }

  #filters(start: Expression): Expression {
    let node = start;
    for (;;) {
      if (this.#isOperator("|")) node = this.filter(node) as Expression;
      else if (this.is("name", "is")) node = this.#test(node);
      else if (this.#isOperator("(")) node = { type: "call", callee: node, given: this.given() };
      else return node;
    }
  }

  /** Parses a chain of filters; a filter block's first one has no bar before it. */
  filter(start: Expression | undefined, isBlock = false): Expression | undefined {
    let node = start;
    let first = isBlock;
    while (first || this.#isOperator("|")) {
      if (!first) this.next();
      first = false;
      const name = this.#dottedName();
      if (!filterNames.has(name)) throw new TemplateUnsupported(`the filter ${name}`);
      const given = this.#isOperator("(") ? this.given() : noArguments;
      node = { type: "filter", operand: node, name, given };
    }
    return node;
  }

  #dottedName(): string {
    let name = this.expect("name").value;
    while (this.skip("operator", ".")) name += `.${this.expect("name").value}`;
    return name;
  }

  #test(operand: Expression): Expression {
    this.next();
    const isNegated = this.skip("name", "not");
    const name = this.#dottedName();
    if (!testNames.has(name)) throw new TemplateUnsupported(`the test ${name}`);
    let given = noArguments;
    if (this.#isOperator("(")) given = this.given();
    else if (this.#opensArgument()) {
      if (this.is("name", "is")) this.fail("You cannot chain multiple tests with is");
      given = { positional: [this.#postfix(this.primary())], named: [] };
    }
    const test: Expression = { type: "test", operand, name, given };
    return isNegated ? { type: "not", operand: test } : test;
  }

  #opensArgument(): boolean {
    const { type, value } = this.token;
    if (type === "name") return !["else", "or", "and"].includes(value);
    if (type === "operator") return value === "[" || value === "{";
    return type === "string" || type === "integer" || type === "float";
  }
}
