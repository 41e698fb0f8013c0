import { GemlensError } from "../errors/gemlens-error.js";
import { printable } from "../errors/show-value.js";
import { fail } from "./fail.js";
import { Budget } from "./jinja/budget.js";
import { fromJavaScript } from "./jinja/from-javascript.js";
import { Interpreter } from "./jinja/interpreter.js";
import { type Program, parse } from "./jinja/parse.js";
import { TemplateError } from "./jinja/template-error.js";
import { TemplateExhausted } from "./jinja/template-exhausted.js";
import { TemplateUnsupported } from "./jinja/template-unsupported.js";
import { undefinedOf, type Value } from "./jinja/value.js";

/** One message of a conversation. */
export interface ChatMessage {
  /** The speaker: "user" or "assistant". Gemma 3's template also accepts a first "system" message. */
  readonly role: string;
  /** Text, or parts such as {type, text} if the template accepts them, as Gemma 3's does. */
  readonly content: string | readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

/** A template and its file. */
export interface ChatTemplate {
  readonly text: string;
  readonly file: string;
}

const field = "chat_template";
// Gemma 3's template has 1,500 characters; the longest ones of other models have 20,000.
const longestTemplate = 65_536;
const longestReason = 300;

/**
 * Renders a Jinja chat template like jinja2 in transformers' environment.
 *
 * @throws TOKENIZER if the template is broken, has a construct that gemlens does not render, or takes more
 *   time or memory than a prompt can need
 * @throws ARGUMENT if the template refuses the variables (Gemma's refuses roles that do not alternate), or
 *   if they are not plain data
 */
export function renderChat(
  { text, file }: ChatTemplate,
  variables: Readonly<Record<string, unknown>>,
): string {
  if (text.length > longestTemplate) {
    fail(file, field, `at most ${longestTemplate} characters`, String(text.length));
  }
  const values = new Map<string, Value>();
  let input = text.length;
  for (const [name, variable] of Object.entries(variables)) {
    if (variable === undefined) continue;
    const [value, size] = fromJavaScript(name, variable);
    values.set(name, value);
    input += size;
  }
  const program = guarded(
    file,
    () => parse(text),
    (got, error) => fail(file, field, "a Jinja template", got, error),
  );
  return guarded(
    file,
    () => run(program, values, input),
    (got, error) => {
      throw new GemlensError(
        "ARGUMENT",
        `applyChatTemplate: expected messages that the model's template takes, got: ${got}`,
        {},
        error,
      );
    },
  );
}

function run({ statements, unset }: Program, given: Map<string, Value>, input: number): string {
  const interpreter = new Interpreter(new Budget(input));
  const variables = new Map<string, Value>(unset.map((name) => [name, undefinedOf(`'${name}'`)]));
  return interpreter.textOf(statements, {
    variables,
    outer: { variables: given, outer: undefined },
  });
}

/** Runs a step. `refuse` throws the errors that jinja2 would raise too. */
function guarded<T>(
  file: string,
  step: () => T,
  refuse: (got: string, error: unknown) => never,
): T {
  try {
    return step();
  } catch (error) {
    const got = printable((error as Error).message, longestReason);
    if (error instanceof TemplateUnsupported) {
      return fail(file, field, "a template that gemlens renders as jinja2 does", got, error);
    }
    // A RangeError means a full stack (a macro that calls itself) or a text above 2^29 characters.
    if (error instanceof TemplateExhausted || error instanceof RangeError) {
      return fail(file, field, "a template that ends and fits in memory", got, error);
    }
    if (error instanceof TemplateError) return refuse(got, error);
    throw error;
  }
}
