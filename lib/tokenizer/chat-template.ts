import { printable } from "../checkpoint/refuse.js";
import { GemlensError } from "../errors/index.js";
import { BoundedInterpreter } from "./bounded-interpreter.js";
import { fail } from "./fail.js";
import { Environment, type Node, parse, tokenize } from "./jinja.js";
import { TemplateExhausted } from "./template-exhausted.js";

/** One turn of a conversation, as chat templates take them. */
export interface ChatMessage {
  /** Who speaks: "user" or "assistant"; Gemma 3's template takes a "system" message first. */
  readonly role: string;
  /** Text, or (where the template takes them, as Gemma 3's does) parts such as {type, text}. */
  readonly content: string | readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

/** A template and the file that it is in. */
export interface ChatTemplate {
  readonly text: string;
  readonly file: string;
}

const field = "chat_template";
// Gemma 3's has 1,500 characters; the longest ones of other models 15,000.
const longestTemplate = 65_536;
// The lexer looks at every stretch of white space once from each of its characters.
const longestSpace = 1000;
const mostRange = 10_000;
const longestReason = 300;

/**
 * Renders a Jinja chat template.
 *
 * @throws TOKENIZER where the template itself is broken, or takes more time or memory than a prompt
 *   can need; ARGUMENT where it refuses the messages (Gemma's: roles that do not alternate, or a
 *   system turn)
 */
export function renderChat(
  template: ChatTemplate,
  variables: Readonly<Record<string, unknown>>,
): string {
  const program = parseTemplate(template);
  const scope = new Environment();
  for (const [name, value] of Object.entries(globals)) scope.set(name, value);
  const given = Object.entries(variables).map(([name, value]) => scope.set(name, value));
  try {
    return new BoundedInterpreter(scope, given).run(program).value as string;
  } catch (error) {
    const got = printable((error as Error).message, longestReason);
    // A RangeError is the stack (a macro that calls itself) or a text above 2^29 characters.
    if (error instanceof TemplateExhausted || error instanceof RangeError) {
      return fail(template.file, field, "a template that ends and fits in memory", got, error);
    }
    throw new GemlensError(
      "ARGUMENT",
      `applyChatTemplate: expected messages that the model's template takes, got: ${got}`,
      {},
      error,
    );
  }
}

function parseTemplate({ text, file }: ChatTemplate): Node {
  if (text.length > longestTemplate) {
    fail(file, field, `at most ${longestTemplate} characters`, String(text.length));
  }
  if (new RegExp(`\\s{${longestSpace}}`).test(text)) {
    fail(file, field, `less than ${longestSpace} characters of white space in a row`, "more");
  }
  try {
    // As transformers sets Jinja up.
    return parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    return fail(file, field, "a Jinja template", (error as Error).message, error);
  }
}

/** What templates may use besides the variables, as transformers provides it. */
const globals: Readonly<Record<string, unknown>> = {
  false: false,
  true: true,
  none: null,
  False: false,
  True: true,
  None: null,
  range,
  strftime_now: strftimeNow,
  raise_exception: (reason: string) => {
    throw new Error(reason);
  },
};

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (length > mostRange) throw new TemplateExhausted(`a range of ${length}`);
  return Array.from({ length }, (_, i) => from + i * step);
}

/** Python's strftime of now, as far as templates use it. */
function strftimeNow(format: string): string {
  const now = new Date();
  const month = (style: "long" | "short") => now.toLocaleString("en-US", { month: style });
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    m: String(now.getMonth() + 1).padStart(2, "0"),
    d: String(now.getDate()).padStart(2, "0"),
    H: String(now.getHours()).padStart(2, "0"),
    M: String(now.getMinutes()).padStart(2, "0"),
    B: month("long"),
    b: month("short"),
    "%": "%",
  };
  return format.replace(/%([YmdHMBb%])/g, (_, key: string) => parts[key] ?? "");
}
