import { ExpressionParser } from "./parse-expression.js";
import type { Expression, MacroSyntax, Signature, Statement, Target } from "./syntax.js";
import { TemplateUnsupported } from "./template-unsupported.js";

/**
 * Parses a template like jinja2 in transformers' environment.
 *
 * @throws TemplateError if jinja2 refuses it, TemplateUnsupported if gemlens does
 */
export function parse(template: string): Program {
  return new Parser(template).template();
}

export interface Program {
  readonly statements: readonly Statement[];
  /**
   * Names that the template's top level sets before it reads them. Until then jinja2 treats them as
   * undefined, also in inner blocks, even if the caller has a variable of that name.
   */
  readonly unset: readonly string[];
}

const ownNames = new Set(["loop", "caller", "varargs", "kwargs", "self"]);

class Parser extends ExpressionParser {
  #isInLoop = false;
  /** The number of open blocks with their own variables. */
  #blocks = 0;
  #conditions = 0;
  /** The first use of a name at the template's top level. */
  readonly #first = new Map<string, "reads" | "sets">();

  template(): Program {
    const statements = this.#statements();
    const unset = [...this.#first].filter(([, first]) => first === "sets").map(([name]) => name);
    return { statements, unset };
  }

  protected override onRead(name: string): void {
    if (this.#blocks === 0 && !this.#first.has(name)) this.#first.set(name, "reads");
  }

  #onSet(target: Target): void {
    if (target.type === "tuple") for (const item of target.items) this.#onSet(item);
    else if (this.#blocks === 0 && !this.#first.has(target.name)) {
      const isSet = target.type === "name" && this.#conditions === 0;
      this.#first.set(target.name, isSet ? "sets" : "reads");
    }
  }

  #within<T>(parsePart: () => T): T {
    this.#blocks++;
    const result = parsePart();
    this.#blocks--;
    return result;
  }

  /** Parses statements up to a tag of `ends`, whose name is then the current token. */
  #statements(...ends: string[]): Statement[] {
    const statements: Statement[] = [];
    for (;;) {
      const { type, value } = this.token;
      if (type === "eof") {
        if (ends.length > 0) this.fail(`Unexpected end of template, expected ${ends.join(" or ")}`);
        return statements;
      }
      this.next();
      if (type === "data") statements.push({ type: "data", text: value });
      else if (type === "variable_begin") {
        statements.push({ type: "output", value: this.tuple({ parts: "expressions" }) });
        this.expect("variable_end");
      } else {
        if (this.token.type === "name" && ends.includes(this.token.value)) return statements;
        statements.push(...this.deeper(() => this.#statement()));
        this.expect("block_end");
      }
    }
  }

  /** Parses the body of a tag up to one of `ends`, and returns the name of that one. */
  #body(...ends: string[]): [body: Statement[], end: string] {
    this.skip("operator", ":");
    this.expect("block_end");
    const body = this.#statements(...ends);
    return [body, this.next().value];
  }

  #outsideLoop<T>(parsePart: () => T): T {
    const before = this.#isInLoop;
    this.#isInLoop = false;
    const result = this.#within(parsePart);
    this.#isInLoop = before;
    return result;
  }

  #statement(): Statement[] {
    const name = this.expect("name").value;
    switch (name) {
      case "set":
        return [this.#set()];
      case "for":
        return [this.#for()];
      case "if":
        return [this.#if()];
      case "with":
        return [this.#with()];
      case "macro":
        return [this.#macro()];
      case "call":
        return [this.#callBlock()];
      case "filter":
        return [this.#filterBlock()];
      case "print":
        return this.#print();
      case "generation":
        return [
          { type: "generation", body: this.#outsideLoop(() => this.#body("endgeneration")[0]) },
        ];
      case "break":
      case "continue":
        if (!this.#isInLoop) this.fail(`'${name}' outside loop`);
        return [{ type: name }];
      case "autoescape":
      case "block":
      case "extends":
      case "from":
      case "import":
      case "include":
        throw new TemplateUnsupported(`{% ${name} %}`);
      default:
        return this.fail(`Encountered unknown tag '${name}'.`);
    }
  }

  #set(): Statement {
    const target = this.#target(undefined, true);
    if (this.skip("operator", "=")) {
      const value = this.tuple({ parts: "expressions" });
      this.#onSet(target);
      return { type: "set", target, value };
    }
    this.#onSet(target);
    const filter = this.#within(() => this.filter(undefined));
    const body = this.#outsideLoop(() => this.#body("endset")[0]);
    return { type: "set block", target, filter, body };
  }

  #for(): Statement {
    const target = this.#target("in", false);
    this.expect("name", "in");
    const iterable = this.tuple({ parts: "no conditions", end: "recursive" });
    const test = this.skip("name", "if") ? this.#within(() => this.expression()) : undefined;
    if (this.is("name", "recursive")) throw new TemplateUnsupported("a recursive loop");
    const before = this.#isInLoop;
    this.#isInLoop = true;
    const [body, end] = this.#within(() => this.#body("endfor", "else"));
    this.#isInLoop = before;
    const otherwise = end === "else" ? this.#within(() => this.#body("endfor")[0]) : [];
    return { type: "for", target, iterable, test, body, otherwise };
  }

  #if(): Statement {
    const branches: [Expression, Statement[]][] = [];
    for (;;) {
      const test = this.tuple({ parts: "no conditions" });
      this.#conditions++;
      const [body, end] = this.#body("elif", "else", "endif");
      branches.push([test, body]);
      const otherwise = end === "else" ? this.#body("endif")[0] : [];
      this.#conditions--;
      if (end !== "elif") return { type: "if", branches, otherwise };
    }
  }

  #with(): Statement {
    const values: [Target, Expression][] = [];
    while (!this.is("block_end")) {
      if (values.length > 0) this.expect("operator", ",");
      const target = this.#target(undefined, false);
      this.expect("operator", "=");
      values.push([target, this.expression()]);
    }
    return { type: "with", values, body: this.#within(() => this.#body("endwith")[0]) };
  }

  #macro(): Statement {
    const name = this.#name();
    this.#onSet({ type: "name", name });
    return { type: "macro", macro: this.#macroOf(name, this.#signature(), "endmacro") };
  }

  #macroOf(name: string, signature: Signature, end: string): MacroSyntax {
    const reads = new Set<string>();
    this.readers.push(reads);
    const body = this.#outsideLoop(() => this.#body(end)[0]);
    this.readers.pop();
    return { name, signature, body, reads };
  }

  #signature(): Signature {
    const names: string[] = [];
    const defaults: Expression[] = [];
    this.expect("operator", "(");
    while (!this.is("operator", ")")) {
      if (names.length > 0) this.expect("operator", ",");
      const name = this.#name();
      if (names.includes(name)) this.fail(`duplicate argument '${name}'`);
      if (this.skip("operator", "=")) defaults.push(this.#within(() => this.expression()));
      else if (defaults.length > 0) this.fail("non-default argument follows default argument");
      names.push(name);
    }
    this.next();
    return { names, defaults };
  }

  #callBlock(): Statement {
    const hasSignature = this.is("operator", "(");
    const signature = hasSignature ? this.#signature() : { names: [], defaults: [] };
    const call = this.expression();
    if (call.type !== "call") return this.fail("expected call");
    return { type: "call block", call, macro: this.#macroOf("caller", signature, "endcall") };
  }

  #filterBlock(): Statement {
    const filter = this.filter(undefined, true) as Expression;
    return {
      type: "filter block",
      filter,
      body: this.#outsideLoop(() => this.#body("endfilter")[0]),
    };
  }

  #print(): Statement[] {
    const outputs: Statement[] = [];
    while (!this.is("block_end")) {
      if (outputs.length > 0) this.expect("operator", ",");
      outputs.push({ type: "output", value: this.expression() });
    }
    return outputs;
  }

  #name(): string {
    const target = this.#assigned({ type: "name", name: this.expect("name").value });
    if (target.type !== "name") return this.fail("expected a name");
    return target.name;
  }

  #target(end: string | undefined, withNamespace: boolean): Target {
    const name = this.token;
    if (withNamespace && name.type === "name" && this.#isDotted()) {
      this.next();
      this.next();
      const attribute = this.expect("name").value;
      if (this.is("operator", ","))
        throw new TemplateUnsupported("several targets, one of a namespace");
      this.onRead(name.value);
      return { type: "namespace", name: name.value, attribute };
    }
    const rules = end === undefined ? {} : { end };
    // Assigning to a name does not read it.
    const readers = this.readers.splice(0);
    const expression = this.#within(() => this.tuple({ parts: "primaries", ...rules }));
    this.readers.push(...readers);
    return this.#assigned(expression);
  }

  #isDotted(): boolean {
    return this.follows("operator", ".");
  }

  #assigned(expression: Expression): Target {
    if (expression.type === "tuple") {
      return { type: "tuple", items: expression.items.map((item) => this.#assigned(item)) };
    }
    if (expression.type !== "name") return this.fail(`can't assign to '${expression.type}'`);
    const { name } = expression;
    if (/^(true|True|false|False|none|None)$/.test(name)) this.fail(`can't assign to ${name}`);
    if (ownNames.has(name)) throw new TemplateUnsupported(`${name} as a variable`);
    return { type: "name", name };
  }
}
