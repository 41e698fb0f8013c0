import type { Command } from "commander";
import type { HookedTransformer } from "../../model/hooked-transformer.js";

export interface ChatFlag {
  readonly chat?: boolean;
}

/** Adds --chat. */
export function withChat(command: Command): Command {
  return command.option(
    "--chat",
    "wrap the text as a user's message in the model's chat template, up to the model's turn",
  );
}

/** The text itself, or with --chat the conversation that it opens, in the model's chat template. */
export function promptOf(model: HookedTransformer, text: string, { chat }: ChatFlag): string {
  return chat ? model.applyChatTemplate([{ role: "user", content: text }]) : text;
}
