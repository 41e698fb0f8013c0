import { checkOptions } from "../errors/check-options.js";
import { badArgument } from "./fail.js";

/** Options for `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the beginning of the model's turn. Default: true, or false with `continueFinalMessage`. */
  readonly addGenerationPrompt?: boolean | undefined;
  /**
   * Leave the last message open, so that the model continues it (prefill). A string names the field to
   * continue instead of "content". Default: false.
   */
  readonly continueFinalMessage?: boolean | string | undefined;
  /** Functions that the model may call, each as its JSON schema. Not every template shows them. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** Documents to answer from, as {title, text}. Not every template shows them. */
  readonly documents?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** Additional variables of the template, such as `{ enable_thinking: false }`. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

/** The checked options with their defaults. */
export interface ChatSettings {
  readonly addGenerationPrompt: boolean;
  /** The field of the last message that stays open. */
  readonly continued: string | undefined;
  readonly tools: readonly unknown[] | null;
  readonly documents: readonly unknown[] | null;
  readonly variables: Readonly<Record<string, unknown>>;
}

const caller = "applyChatTemplate";
const keys = ["addGenerationPrompt", "continueFinalMessage", "tools", "documents", "variables"];
const taken = ["messages", "tools", "documents", "add_generation_prompt"];

/** Checks the options. Throws ARGUMENT if one is invalid. */
export function checkChatOptions(options: ChatTemplateOptions | undefined): ChatSettings {
  checkOptions(caller, options, keys);
  const { continueFinalMessage = false, tools, documents, variables = {} } = options ?? {};
  const { addGenerationPrompt = continueFinalMessage === false } = options ?? {};
  if (typeof addGenerationPrompt !== "boolean") {
    badArgument(caller, "true or false for addGenerationPrompt", String(addGenerationPrompt));
  }
  if (typeof continueFinalMessage !== "boolean" && typeof continueFinalMessage !== "string") {
    const expected = "true, false or a field's name for continueFinalMessage";
    badArgument(caller, expected, String(continueFinalMessage));
  }
  // As in Python, "" is the same as false.
  const continued = continueFinalMessage === true ? "content" : continueFinalMessage || undefined;
  if (continued !== undefined && addGenerationPrompt) {
    badArgument(caller, "addGenerationPrompt or continueFinalMessage", "both");
  }
  if (!isRecord(variables)) badArgument(caller, "an object for variables", kindOf(variables));
  const double = taken.find((name) => Object.hasOwn(variables, name));
  if (double !== undefined) {
    const option = double === "add_generation_prompt" ? "addGenerationPrompt" : double;
    badArgument(caller, `other names in variables (there is ${option} for it)`, double);
  }
  return {
    addGenerationPrompt,
    continued,
    tools: checkRecords("tools", "a JSON schema", tools),
    documents: checkRecords("documents", "an object", documents),
    variables,
  };
}

/** Checks the messages. Throws ARGUMENT unless there is at least one and each is an object. */
export function checkMessages(messages: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    return badArgument(
      caller,
      "at least one message",
      Array.isArray(messages) ? "none" : kindOf(messages),
    );
  }
  const bad = messages.findIndex((message) => !isRecord(message));
  if (bad >= 0) badArgument(caller, `an object for messages[${bad}]`, kindOf(messages[bad]));
  return messages;
}

function checkRecords(name: string, one: string, list: unknown): readonly unknown[] | null {
  if (list === undefined || list === null) return null;
  if (!Array.isArray(list)) return badArgument(caller, `an array for ${name}`, kindOf(list));
  const bad = list.findIndex((item) => !isRecord(item));
  if (bad >= 0) badArgument(caller, `${one} for ${name}[${bad}]`, kindOf(list[bad]));
  return list;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
