import type { Command } from "commander";
import type { ActiveFeature, Coder, SparseFeatures } from "../coder/index.js";
import type { HookedTransformer } from "../model/index.js";
import { quoteToken, textTable } from "../report/index.js";
import { activeAt } from "./active.js";
import { integer, readText } from "./arguments.js";
import { bundledCoder, isBundled, namesOf } from "./bundled.js";
import { type ChatFlag, promptOf, withChat } from "./chat-prompt.js";
import { loadCoder } from "./load-coder.js";
import { loadModel, type ModelOptions, withModel } from "./model-options.js";
import { note } from "./terminal.js";

interface FeaturesOptions extends ModelOptions, ChatFlag {
  readonly sae?: string;
  readonly layer?: number;
  readonly hook?: string;
  readonly hookOut?: string;
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens features`: which learned features fire on which token of a text. */
export function register(program: Command): void {
  const command = program
    .command("features")
    .description("show the strongest features of each token of a text")
    .argument("[text...]", "the text; standard input where it is left out")
    .option("--sae <path>", "a Gemma Scope params.npz or folder (SAE or transcoder)")
    .option("--layer <n>", "of the bundled model: its residual SAE of this layer", integer(0))
    .option("--hook <name>", "the hook that the SAE reads, where its path does not tell it")
    .option("--hook-out <name>", "the hook that a transcoder rebuilds, likewise")
    .option("--top <n>", "features shown for each token", integer(1), 5);
  withModel(withChat(command))
    .option("--json", "print {model, coder, tokens: [{position, id, text, features}]}")
    .action(features)
    .addHelpText(
      "after",
      "\nThe begin-of-text token is listed without features: coders are not trained on it.",
    );
}

async function features(
  words: string[],
  options: FeaturesOptions,
  command: Command,
): Promise<void> {
  if (options.sae !== undefined && options.layer !== undefined) {
    command.error("error: --layer chooses a bundled SAE, and cannot go with --sae");
  }
  if (options.sae === undefined && !isBundled(options.model)) {
    command.error(`error: --sae is needed with --model ${options.model}`);
  }
  const given = await readText(words, command);
  await using model = await loadModel(options);
  const text = promptOf(model, given, options);
  const layer = options.layer ?? Math.floor(model.cfg.nLayers / 2);
  using coder = await loadCoder("features", options.sae ?? bundledCoder(layer), options);
  using run = await model.runWithCache(text, { names: [], features: [coder], logits: false });
  const acts = await run.features(coder).read();
  const tokens = readTokens(model, text, acts, coder, options.top);
  if (options.json) {
    const { path, hookName, hookNameOut, dSae, l0 } = coder.cfg;
    const of = { path, hookName, hookNameOut, dSae, ...(l0 !== undefined && { l0 }) };
    console.log(JSON.stringify({ model: options.model, coder: of, tokens }));
    return;
  }
  note(`${coder.cfg.hookName}, ${coder.cfg.dSae} features of ${coder.cfg.path}`);
  const rows = tokens.map(({ position, text, features }) => [
    `${position}`,
    quoteToken(text),
    features === null ? "-" : features.map(describe).join("  "),
  ]);
  for (const line of textTable(rows, ["right"])) console.log(line);
}

interface TokenFeatures {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  /** The strongest first; null for the begin-of-text token, which coders are not trained on. */
  readonly features: readonly (ActiveFeature & { readonly name?: string })[] | null;
}

function readTokens(
  model: HookedTransformer,
  text: string,
  acts: SparseFeatures,
  coder: Coder,
  top: number,
): TokenFeatures[] {
  const { ids } = model.toTokens(text);
  const names = namesOf(coder.cfg.path);
  return model.toStrTokens(ids).map((token, position) => {
    const id = ids[position] as number;
    const active = activeAt(acts, position).slice(0, top);
    const features = active.map((entry) => {
      const name = names.get(entry.feature);
      return { ...entry, ...(name !== undefined && { name }) };
    });
    return {
      position,
      id,
      text: token,
      features: id === model.tokenizer.bosTokenId ? null : features,
    };
  });
}

function describe({ feature, value, name }: ActiveFeature & { name?: string }): string {
  const label = name === undefined ? `${feature}` : `${feature} (${name})`;
  return `${label} ${value.toFixed(1)}`;
}
