/** A literal of a template. An int is a bigint, a float a number. */
export type Constant = null | boolean | bigint | number | string;

export interface Slice {
  readonly type: "slice";
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

/** The arguments of a call, a filter or a test. */
export interface Arguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
}

export type Expression =
  | { readonly type: "constant"; readonly value: Constant }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "tuple" | "list"; readonly items: readonly Expression[] }
  | { readonly type: "dict"; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly type: "attribute"; readonly object: Expression; readonly name: string }
  | { readonly type: "item"; readonly object: Expression; readonly key: Expression | Slice }
  | { readonly type: "call"; readonly callee: Expression; readonly given: Arguments }
  | {
      readonly type: "filter";
      /** Absent in `{% filter %}` and `{% set %}` blocks, which filter the block's text. */
      readonly operand: Expression | undefined;
      readonly name: string;
      readonly given: Arguments;
    }
  | {
      readonly type: "test";
      readonly operand: Expression;
      readonly name: string;
      readonly given: Arguments;
    }
  | { readonly type: "not" | "negative" | "positive"; readonly operand: Expression }
  | { readonly type: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
      readonly type: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: "concat"; readonly parts: readonly Expression[] }
  | {
      readonly type: "compare";
      readonly first: Expression;
      readonly rest: readonly (readonly [CompareOperator, Expression])[];
    }
  | {
      readonly type: "condition";
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise: Expression | undefined;
    };

export type BinaryOperator = "+" | "-" | "*" | "/" | "//" | "%" | "**";
export type CompareOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** The target of an assignment by `set`, `for` or `with`. */
export type Target =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "tuple"; readonly items: readonly Target[] }
  | { readonly type: "namespace"; readonly name: string; readonly attribute: string };

/** The parameters of a macro; defaults belong to the last ones. */
export interface Signature {
  readonly names: readonly string[];
  readonly defaults: readonly Expression[];
}

export type Statement =
  | { readonly type: "data"; readonly text: string }
  | { readonly type: "output"; readonly value: Expression }
  | { readonly type: "set"; readonly target: Target; readonly value: Expression }
  | {
      readonly type: "set block";
      readonly target: Target;
      readonly filter: Expression | undefined;
      readonly body: readonly Statement[];
    }
  | {
      readonly type: "for";
      readonly target: Target;
      readonly iterable: Expression;
      readonly test: Expression | undefined;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly type: "if";
      readonly branches: readonly (readonly [test: Expression, body: readonly Statement[]])[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly type: "with";
      readonly values: readonly (readonly [Target, Expression])[];
      readonly body: readonly Statement[];
    }
  | { readonly type: "macro"; readonly macro: MacroSyntax }
  | {
      readonly type: "call block";
      readonly call: Expression & { readonly type: "call" };
      readonly macro: MacroSyntax;
    }
  | {
      readonly type: "filter block";
      readonly filter: Expression;
      readonly body: readonly Statement[];
    }
  | { readonly type: "generation"; readonly body: readonly Statement[] }
  | { readonly type: "break" | "continue" };

export interface MacroSyntax {
  readonly name: string;
  readonly signature: Signature;
  readonly body: readonly Statement[];
  /** Names that the body reads. A body that reads `kwargs` accepts any named argument. */
  readonly reads: ReadonlySet<string>;
}
