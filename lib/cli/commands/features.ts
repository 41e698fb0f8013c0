import { type Command, Option } from "commander";
import type { ActiveFeature, SparseFeatures } from "../../coder/active-features.js";
import type { Coder } from "../../coder/coder.js";
import { hooksOf } from "../../coder/site.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { textTable } from "../../report/text-table.js";
import { quoteToken } from "../../report/token-text.js";
import { integer, readText, several } from "../options/arguments.js";
import { type ChatFlag, promptOf, withChat } from "../options/chat-prompt.js";
import { type CoderOptions, CoderSet, checkCoders, withCoders } from "../options/coder-set.js";
import {
  coderLabel,
  type FeatureSpec,
  featureSpecs,
  type Site,
  sites,
} from "../options/feature-spec.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import {
  excludes,
  type SpecialTokensFlag,
  specialHelp,
  specialIds,
  withSpecialTokens,
} from "../options/special-tokens.js";
import { activeAt } from "../print/active.js";
import { showFeatureValues } from "../print/feature-values.js";
import { say, sayJson } from "../print/output.js";
import { shownPath } from "../print/shown-path.js";
import { type ListedToken, listedTokens } from "../print/shown-tokens.js";
import { lineWidth, note } from "../print/terminal.js";

interface FeaturesOptions extends SpecialTokensFlag, ModelOptions, CoderOptions, ChatFlag {
  readonly layer?: readonly number[];
  readonly site: Site;
  readonly feature?: readonly FeatureSpec[];
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens features`: shows which features fire on each token of a text. */
export function register(program: Command): void {
  const command = program
    .command("features")
    .description("show the strongest features of each token of a text")
    .argument("[text...]", "the text (default: standard input)")
    .option(
      "--layer <n>",
      "layer of the bundled model (default: the middle one); repeatable",
      several(integer(0)),
    )
    .addOption(
      new Option("--site <name>", "site of the bundled coders").choices(sites).default("res"),
    )
    .option(
      "--feature <feature>",
      "show this feature at every token instead, [site/]layer:feature; repeatable",
      featureSpecs("none"),
    )
    .option("--top <n>", "features per token", integer(1), 5);
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option(
      "--json",
      "print {model, coder, tokens: [{position, id, text, features}]}, one line per coder; with " +
        "--feature {model, features, tokens: [{position, id, text, values}]}",
    )
    .action(features)
    .addHelpText("after", specialHelp);
}

async function features(
  words: string[],
  options: FeaturesOptions,
  command: Command,
): Promise<void> {
  checkCoders(command, options);
  checkFeature(command, options);
  const given = await readText(words, command);
  await using model = await loadModel(options);
  const text = promptOf(model, given, options);
  using set = new CoderSet("features", options);
  if (options.feature !== undefined) {
    await showFeatureValues(model, text, options.feature, set, options);
    return;
  }
  const layers = options.layer ?? [Math.floor(model.cfg.nLayers / 2)];
  const coders = await set.all(layers, options.site);
  using run = await model.runWithCache(text, {
    names: [],
    features: coders.map((coder) => ({ coder, ...excludes(options) })),
    logits: false,
  });
  for (const [i, coder] of coders.entries()) {
    const acts = await run.features(coder).read();
    const tokens = tokenFeatures(model, text, acts, coder, set, options);
    if (options.json) printJson(options.model, coder, tokens);
    else {
      if (coders.length > 1) say(`${i > 0 ? "\n" : ""}${coderLabel(coder.cfg)}`);
      print(coder, tokens);
    }
  }
}

/** Rejects the options that --feature replaces: it names its coder, and shows no other feature. */
function checkFeature(command: Command, { feature }: FeaturesOptions): void {
  if (feature === undefined) return;
  for (const other of ["layer", "site", "top"]) {
    if (command.getOptionValueSource(other) !== "cli") continue;
    command.error(`error: --${other} cannot go with --feature, as in --feature mlp/2:7`);
  }
}

function printJson(model: string, { cfg }: Coder, tokens: readonly TokenFeatures[]): void {
  const { path, dSae, l0 } = cfg;
  const hooks = hooksOf(cfg);
  const coder = { path, ...hooks, dSae, ...(l0 !== undefined && { l0 }) };
  sayJson({ model, coder, tokens });
}

function print({ cfg }: Coder, tokens: readonly TokenFeatures[]): void {
  note(`${hooksOf(cfg).hookName}, ${cfg.dSae} features of ${shownPath(cfg.path)}`);
  const rows = tokens.map(({ features, ...token }) => [
    `${token.position}`,
    quoteToken(token),
    features === null ? "-" : features.map(describe).join("  "),
  ]);
  for (const line of textTable(rows, ["right"], lineWidth())) say(line);
}

interface TokenFeatures extends ListedToken {
  readonly position: number;
  /** Strongest first; null if the token is an excluded special token. */
  readonly features: readonly (ActiveFeature & { readonly name?: string })[] | null;
}

function tokenFeatures(
  model: HookedTransformer,
  text: string,
  acts: SparseFeatures,
  coder: Coder,
  set: CoderSet,
  options: FeaturesOptions,
): TokenFeatures[] {
  const { ids } = model.toTokens(text);
  const excluded = excludes(options).excludeSpecialTokens ? specialIds(model) : new Set<number>();
  return listedTokens(model.tokenizer, ids).map((token) => {
    const active = activeAt(acts, token.position).slice(0, options.top);
    const features = active.map((entry) => {
      const name = set.name({ coder, feature: entry.feature });
      return { ...entry, ...(name !== undefined && { name }) };
    });
    return { ...token, features: excluded.has(token.id) ? null : features };
  });
}

function describe({ feature, value, name }: ActiveFeature & { name?: string }): string {
  const label = name === undefined ? `${feature}` : `${feature} (${name})`;
  return `${label} ${value.toFixed(1)}`;
}
