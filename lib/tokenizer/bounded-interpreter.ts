import { Interpreter, type Node, type Scope, type Value } from "./jinja.js";
import { TemplateExhausted } from "./template-exhausted.js";

// What Gemma's own templates take is a hundredth of each.
const charactersAtLeast = 65_536;
const charactersPerInput = 8;
const workAtLeast = 100_000;
const workPerInput = 4;

// The library takes an overflowing stack for a variable that is not there.
const deepest = 500;

// Methods and filters multiply their operand by their arguments: indent(8), replace("a", "b").
const longestArgument = 256;

// A value costs that many characters besides its text, so that a list of nothing is not free.
const perValue = 16;
const charactersPerWork = 16;

/**
 * Runs a template as the library does, within bounds: a chat template is a program out of a file,
 * and three nested loops, or a list put twice into itself forty times over, would otherwise take
 * hours or all memory. Bounds grow with the messages that the caller gives.
 *
 * @throws TemplateExhausted
 */
export class BoundedInterpreter extends Interpreter {
  /** Weights of what the caller gave, which are not counted again at every use. */
  readonly #given: ReadonlyMap<Value, number>;
  readonly #mostCharacters: number;
  #work: number;
  #depth = 0;
  #shortArguments = false;

  constructor(scope: Scope, given: readonly Value[]) {
    super(scope);
    const weights = new Map<Value, number>();
    const input = given.reduce((sum, value) => sum + weigh(value, Infinity, weights), 0);
    for (const value of given) remember(value, weights);
    this.#given = weights;
    this.#mostCharacters = charactersAtLeast + charactersPerInput * input;
    this.#work = workAtLeast + workPerInput * input;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#spend(1);
    const value = this.#descend(node, scope);
    if (typeof value.value !== "string" && typeof value.value !== "object") return value;
    const weight = this.#given.has(value) ? 0 : weigh(value, this.#mostCharacters, this.#given);
    if (weight > this.#mostCharacters) throw new TemplateExhausted("too much text");
    this.#spend(weight / charactersPerWork);
    return value;
  }

  #descend(node: Node | undefined, scope: Scope): Value {
    if (this.#depth === deepest) throw new TemplateExhausted(`more than ${deepest} levels`);
    this.#depth++;
    try {
      return super.evaluate(node, scope);
    } finally {
      this.#depth--;
    }
  }

  override evaluateCallExpression(node: Node, scope: Scope): Value {
    // A method of a value, such as text.replace(…); macros may be given whole messages.
    this.#shortArguments = node.callee?.type === "MemberExpression";
    return super.evaluateCallExpression(node, scope);
  }

  override applyFilter(operand: Value, filter: Node, scope: Scope): Value {
    this.#shortArguments = true;
    const value = super.applyFilter(operand, filter, scope);
    this.#shortArguments = false;
    return value;
  }

  override evaluateArguments(
    nodes: readonly Node[],
    scope: Scope,
  ): [positional: Value[], named: Map<string, Value>] {
    const short = this.#shortArguments;
    this.#shortArguments = false;
    const result = super.evaluateArguments(nodes, scope);
    if (short) {
      for (const { value } of [...result[0], ...result[1].values()]) {
        const size = typeof value === "string" ? value.length : value;
        if (typeof size === "number" && size > longestArgument) {
          throw new TemplateExhausted(`an argument above ${longestArgument}`);
        }
      }
    }
    return result;
  }

  #spend(work: number): void {
    this.#work -= work;
    if (this.#work < 0) throw new TemplateExhausted("too many steps");
  }
}

/** Characters that a value would take as text, or more than `limit` where it is above that. */
function weigh(value: Value, limit: number, known: ReadonlyMap<Value, number>): number {
  let weight = 0;
  const open = [value];
  for (let next = open.pop(); next !== undefined && weight <= limit; next = open.pop()) {
    const given = known.get(next);
    weight += given ?? perValue;
    if (given !== undefined) continue;
    if (typeof next.value === "string") weight += next.value.length;
    else for (const child of childrenOf(next, limit)) open.push(child);
  }
  return weight;
}

function childrenOf({ value }: Value, limit: number): Value[] {
  const most = limit / perValue + 1;
  if (Array.isArray(value)) return value.length > most ? value.slice(0, most) : value;
  return value instanceof Map ? [...value.values()] : [];
}

function remember(value: Value, weights: Map<Value, number>): void {
  weights.set(value, weigh(value, Infinity, weights));
  for (const child of childrenOf(value, Infinity)) remember(child, weights);
}
