import type { Command } from "commander";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";

export interface SpecialTokensFlag {
  readonly includeSpecialTokens?: boolean | undefined;
}

/** Adds --include-special-tokens. */
export function withSpecialTokens(command: Command): Command {
  return command.option(
    "--include-special-tokens",
    "include special tokens (begin of text, turns and so on)",
  );
}

/** The help text of commands that leave special tokens out. */
export const specialHelp = `
Special tokens (begin of text, turns and so on) are left out, because coders are not trained on them,
unless you give --include-special-tokens.`;

/** Translates the flag to the library's option. */
export function excludes({ includeSpecialTokens }: SpecialTokensFlag) {
  return { excludeSpecialTokens: includeSpecialTokens !== true };
}

/** The ids of a model's special tokens. */
export function specialIds(model: HookedTransformer): ReadonlySet<number> {
  return new ModelClient("special tokens", model).specialTokens;
}
