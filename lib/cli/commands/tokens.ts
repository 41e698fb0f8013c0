import type { Command } from "commander";
import { resolveModel } from "../../model/resolve-model.js";
import { quoteToken } from "../../report/token-text.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import { readText } from "../options/arguments.js";
import { modelHelp } from "../options/model-options.js";
import { sayJson, sayTable } from "../print/output.js";
import { listedTokens } from "../print/shown-tokens.js";

interface TokensOptions {
  readonly model: string;
  readonly bos: boolean;
  readonly json?: boolean;
}

/** `gemlens tokens`: shows how a model splits a text. Only the tokenizer is read, not the weights. */
export function register(program: Command): void {
  program
    .command("tokens")
    .description("show how a model splits a text into tokens")
    .argument("[text...]", "the text (default: standard input)")
    .option("--model <name>", modelHelp, "tiny")
    .option("--no-bos", "do not prepend the begin-of-text token")
    .option("--json", "print {model, tokens: [{position, id, text, byte}]}")
    .action(tokens);
}

async function tokens(words: string[], options: TokensOptions, command: Command): Promise<void> {
  const text = await readText(words, command);
  const tokenizer = Tokenizer.fromFolder(resolveModel(options.model));
  const ids = tokenizer.encode(text, { prependBos: options.bos });
  const list = listedTokens(tokenizer, ids);
  if (options.json) {
    sayJson({ model: options.model, tokens: list });
    return;
  }
  const rows = list.map((token) => [`${token.position}`, `${token.id}`, quoteToken(token)]);
  sayTable([["position", "id", "token"], ...rows], ["right", "right"]);
}
