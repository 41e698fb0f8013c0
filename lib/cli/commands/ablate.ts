import type { Command } from "commander";
import { probability, signed } from "../../report/numbers.js";
import { quoteToken } from "../../report/token-text.js";
import { integer, position, readText } from "../options/arguments.js";
import { type ChatFlag, promptOf, withChat } from "../options/chat-prompt.js";
import {
  type CoderOptions,
  CoderSet,
  checkCoders,
  specHelp,
  withCoders,
} from "../options/coder-set.js";
import { type FeatureSpec, featureSpec, showFeature } from "../options/feature-spec.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import { type SpecialTokensFlag, withSpecialTokens } from "../options/special-tokens.js";
import { type Ablated, ablated, type Change } from "../print/ablated.js";
import { say, sayJson, sayTable } from "../print/output.js";
import { note } from "../print/terminal.js";

interface AblateOptions extends SpecialTokensFlag, ModelOptions, CoderOptions, ChatFlag {
  readonly position: number;
  readonly top: number;
  readonly json?: boolean;
}

/** `gemlens ablate`: what a text's predictions lose and gain without a feature. */
export function register(program: Command): void {
  const command = program
    .command("ablate")
    .description("take features out of a text, and show what changes in its predictions")
    .argument("<features>", "layer:feature[:value[:from]], several with commas between", list)
    .argument("[text...]", "the text; standard input where it is left out")
    .option(
      "--position <n>",
      "the token whose next one is shown, negative from the end",
      position,
      -1,
    )
    .option("--top <n>", "rows of each table", integer(1), 5);
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option("--json", "print {model, features, tokens, position, loss, rose, fell, perToken}")
    .action(ablate)
    .addHelpText(
      "after",
      `
A feature becomes 0, or the value given: x + (f' - f) W_dec, so the coder's error stays as it is.${specHelp}`,
    );
}

const parse = featureSpec("optional");
const list = (text: string) => text.split(",").map((one) => parse(one.trim()));

/** Of the tokens that a feature fires on, so many are shown. */
const shownFirings = 4;
/** What is smaller shows as 0. */
const leastLossChange = 0.0005;

async function ablate(
  specs: FeatureSpec[],
  words: string[],
  options: AblateOptions,
  command: Command,
): Promise<void> {
  checkCoders(command, options);
  const given = await readText(words, command);
  await using model = await loadModel(options);
  const text = promptOf(model, given, options);
  using coders = new CoderSet("ablate", options);
  const outcome = await ablated(model, text, specs, coders, options);
  if (!options.json) {
    print(outcome, options);
    return;
  }
  const { features, tokens, ...rest } = outcome;
  const told = features.map(({ told: { type: _, value: to, ...one }, fires }) => {
    return { ...one, to, fires };
  });
  const { model: of, position } = options;
  sayJson({ model: of, features: told, tokens, position, ...rest });
}

function print({ features, tokens, loss, rose, fell, perToken }: Ablated, options: AblateOptions) {
  const token = (position: number) => quoteToken(tokens.at(position) ?? "");
  for (const { ref, told, fires } of features) {
    const title = `${showFeature(ref.coder.cfg, ref.feature)}${told.name ? ` (${told.name})` : ""}`;
    note(`${title} becomes ${told.value} from position ${told.from}`);
    const where = fires
      .slice(0, shownFirings)
      .map(({ position, value }) => `${token(position)} ${value.toFixed(1)}`);
    const rest = fires.length - where.length;
    if (rest > 0) where.push(`and ${rest} more`);
    const nowhere = "no token that it is taken out of";
    say(`${title} fires on ${fires.length === 0 ? nowhere : where.join("  ")}`);
  }
  const { position } = options;
  const title = `next behind ${token(position)} (${tokens.at(position)?.position})`;
  if (rose.length + fell.length === 0) say(`\n${title}: nothing changes`);
  else printChanges(title, rose, fell);
  if (loss === null) return;
  const change = signed(loss.after - loss.before);
  const [before, after] = [loss.before.toFixed(3), loss.after.toFixed(3)];
  say(`\nloss ${before} → ${after} (${change} nats a token)`);
  const moved = perToken
    .filter(({ before, after }) => Math.abs(after - before) >= leastLossChange)
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
    .slice(0, options.top)
    .sort((a, b) => a.position - b.position);
  if (moved.length === 0) return;
  const rows = moved.map(({ position, before, after }) => [
    `${position}`,
    token(position),
    before.toFixed(3),
    after.toFixed(3),
    signed(after - before),
  ]);
  const head = ["position", "token", "loss before", "after", "change"];
  sayTable([head, ...rows], ["right", "left", "right", "right", "right"]);
}

function printChanges(title: string, rose: readonly Change[], fell: readonly Change[]): void {
  const rows = [rose, fell].flatMap((changes, i) =>
    changes.map(({ before, after, logitChange, ...token }, place) => [
      place > 0 ? "" : i === 0 ? "rose" : "fell",
      quoteToken(token),
      probability(before),
      probability(after),
      signed(after - before),
      signed(logitChange, 2),
    ]),
  );
  say();
  const head = ["", title, "before", "after", "change", "logit"];
  sayTable([head, ...rows], ["left", "left", "right", "right", "right", "right"]);
}
