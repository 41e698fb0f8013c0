import { Template } from "@huggingface/jinja";
import { GemlensError } from "../errors/index.js";
import { fail } from "./fail.js";

/** One turn of a conversation, as chat templates take them. */
export interface ChatMessage {
  readonly role: string;
  /** Text, or (where the template takes them, as Gemma 3's does) parts such as {type, text}. */
  readonly content: string | readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

/**
 * Renders a Jinja chat template over `messages`.
 *
 * @throws TOKENIZER where the template itself is broken; ARGUMENT where it refuses the messages
 *   (Gemma's: roles that do not alternate, or a system turn)
 */
export function renderChat(
  source: string,
  dir: string,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
): string {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    return fail(dir, "chat_template", "a Jinja template", (error as Error).message, error);
  }
  try {
    return template.render({ ...variables, messages });
  } catch (error) {
    const got = (error as Error).message;
    throw new GemlensError(
      "ARGUMENT",
      `applyChatTemplate: expected messages that the model's template takes, got: ${got}`,
      { messages: messages.map(({ role }) => role) },
      error,
    );
  }
}
