import type { Command } from "commander";
import { resolveModel } from "../model/resolve-model.js";
import { quoteToken, textTable } from "../report/index.js";
import { Tokenizer } from "../tokenizer/index.js";
import { readText } from "./arguments.js";
import { modelHelp } from "./model-options.js";

interface TokensOptions {
  readonly model: string;
  readonly bos: boolean;
  readonly json?: boolean;
}

/** `gemlens tokens`: how a model splits a text. Needs the tokenizer alone, no weights. */
export function register(program: Command): void {
  program
    .command("tokens")
    .description("show how a model splits a text into tokens")
    .argument("[text...]", "the text; standard input where it is left out")
    .option("--model <name>", modelHelp, "tiny")
    .option("--no-bos", "do not put the begin-of-text token in front")
    .option("--json", "print {model, tokens: [{position, id, text}]}")
    .action(tokens);
}

async function tokens(words: string[], options: TokensOptions, command: Command): Promise<void> {
  const text = await readText(words, command);
  const tokenizer = Tokenizer.fromFolder(resolveModel(options.model));
  const ids = tokenizer.encode(text, { prependBos: options.bos });
  const texts = tokenizer.toStrTokens(ids);
  const list = texts.map((token, position) => ({
    position,
    id: ids[position] as number,
    text: token,
  }));
  if (options.json) {
    console.log(JSON.stringify({ model: options.model, tokens: list }));
    return;
  }
  const rows = list.map(({ position, id, text }) => [`${position}`, `${id}`, quoteToken(text)]);
  const lines = textTable([["position", "id", "token"], ...rows], ["right", "right"]);
  for (const line of lines) console.log(line);
}
