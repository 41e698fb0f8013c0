import * as library from "@huggingface/jinja";

// As in hugging-face.ts: the package's own declarations (0.5.11) import without file endings, so the
// part used here is declared instead. The methods that the interpreter calls private are ordinary
// ones, which is what lets a subclass count its work.

/** A value of a running template: text, a number, a list, a map … */
export interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** A node of a parsed template; a call has a callee. */
export interface Node {
  readonly type: string;
  readonly callee?: Node;
}

/** The variables of a template. */
export interface Scope {
  set(name: string, value: unknown): Value;
}

type Arguments = [positional: Value[], named: Map<string, Value>];

/** Walks a parsed template. */
export interface TemplateInterpreter {
  run(program: Node): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateArguments(nodes: readonly Node[], scope: Scope): Arguments;
  evaluateCallExpression(node: Node, scope: Scope): Value;
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
}

interface Library {
  readonly Environment: new () => Scope;
  readonly Interpreter: new (scope: Scope) => TemplateInterpreter;
  readonly parse: (tokens: unknown) => Node;
  readonly tokenize: (
    source: string,
    options: { lstrip_blocks: boolean; trim_blocks: boolean },
  ) => unknown;
}

export const { Environment, Interpreter, parse, tokenize } = library as unknown as Library;
