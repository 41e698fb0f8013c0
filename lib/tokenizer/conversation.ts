import { type ChatSettings, checkMessages } from "./chat-options.js";
import { type ChatMessage, type ChatTemplate, renderChat } from "./chat-template.js";
import { badArgument } from "./fail.js";
import { trim, trimEnd } from "./jinja/white-space.js";

type Message = Readonly<Record<string, unknown>>;

const caller = "applyChatTemplate";
const tag = "CONTINUE_FINAL_MESSAGE_TAG ";
// Most templates read a model's reasoning by the first of these names, gpt-oss' by the second.
const reasoningFields = ["reasoning_content", "thinking", "reasoning"];

/**
 * Renders the prompt of a conversation like transformers' `apply_chat_template`.
 *
 * @throws TOKENIZER, ARGUMENT as {@link renderChat}; ARGUMENT if the last message can't be continued
 */
export function renderConversation(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  settings: ChatSettings,
  specialTokens: Readonly<Record<string, string>>,
): string {
  const { addGenerationPrompt, continued, tools, documents, variables } = settings;
  const conversation = checkMessages(messages).map(withReasoning);
  const final = continued === undefined ? undefined : open(conversation, continued, template);
  const rendered = renderChat(template, {
    ...specialTokens,
    ...variables,
    messages: conversation,
    tools,
    documents,
    add_generation_prompt: addGenerationPrompt,
  });
  return final === undefined ? rendered : cutAtTag(rendered, final);
}

/** Removes keys that are null, and copies the reasoning to each of its names. */
function withReasoning(message: Message): Message {
  const given = Object.entries(message).filter(
    ([, value]) => value !== null && value !== undefined,
  );
  const kept: Message = Object.fromEntries(given);
  const field = reasoningFields.find((name) => Object.hasOwn(kept, name));
  if (field === undefined) return kept;
  const reasoning = kept[field];
  return { thinking: reasoning, ...kept, reasoning_content: reasoning };
}

/** Adds the tag to the end of the last message, in place, and returns the message's text. */
function open(conversation: Message[], field: string, { text }: ChatTemplate): string {
  const last = conversation.at(-1) as Message;
  const value = Object.hasOwn(last, field) ? last[field] : undefined;
  if (value === undefined) {
    return badArgument(
      caller,
      `a last message with "${field}" to continue`,
      Object.keys(last).join(),
    );
  }
  const same = (name: string): boolean => name === field || last[name] === value;
  const fields = reasoningFields.includes(field) ? reasoningFields.filter(same) : [field];
  if (!fields.some((name) => text.includes(name))) {
    badArgument(caller, "a field that the template reads for continueFinalMessage", `"${field}"`);
  }
  const [marked, final] = Array.isArray(value) ? markPart(value) : markText(value, field);
  const changed = Object.fromEntries(fields.map((name) => [name, marked]));
  conversation[conversation.length - 1] = { ...last, ...changed };
  return final;
}

function markText(value: unknown, field: string): [marked: unknown, final: string] {
  if (typeof value === "string") return [value + tag, value];
  return badArgument(caller, `text to continue in "${field}" of the last message`, typeof value);
}

/** Adds the tag to the last part that has text. */
function markPart(parts: readonly unknown[]): [marked: unknown, final: string] {
  const at = parts.findLastIndex((part) => Object.hasOwn(Object(part), "text"));
  const part = parts[at] as Message | undefined;
  if (part === undefined) return badArgument(caller, "a part with text to continue", "none");
  const [text, final] = markText(part["text"], "text");
  return [parts.toSpliced(at, 1, { ...part, text }), final];
}

function cutAtTag(rendered: string, final: string): string {
  const at = rendered.lastIndexOf(trimEnd(tag));
  if (at < 0 || !rendered.includes(trim(final))) {
    badArgument(caller, "a template that shows the whole last message", "one that changes it");
  }
  // A template that trims messages also trims the open one.
  return rendered.startsWith(tag, at) ? rendered.slice(0, at) : trimEnd(rendered.slice(0, at));
}
