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

/** `gemlens ablate`: shows how predictions change when features are ablated. */
export function register(program: Command): void {
  const command = program
    .command("ablate")
    .description("ablate features in a text, and show how its predictions change")
    .argument("<features>", "layer:feature[:value[:from]], separated by commas", list)
    .argument("[text...]", "the text (default: standard input)")
    .option(
      "--position <n>",
      "show what follows the token at this position, negative from the end",
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
Each feature is set to 0, or to the value given: x + (f' - f) W_dec keeps the coder's error.${specHelp}`,
    );
}

const parse = featureSpec("optional");
const list = (text: string) => text.split(",").map((one) => parse(one.trim()));

/** At most this many of a feature's firings are shown, strongest first. */
const shownFirings = 4;
/** Smaller changes would print as 0.000. */
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
  const listed = features.map(({ summary: { type: _, value: to, ...rest }, fires }) => {
    return { ...rest, to, fires };
  });
  const { model: of, position } = options;
  sayJson({ model: of, features: listed, tokens, position, ...rest });
}

function print({ features, tokens, loss, rose, fell, perToken }: Ablated, options: AblateOptions) {
  const token = (position: number) => quoteToken(tokens.at(position) ?? "");
  for (const { ref, summary, fires } of features) {
    const { name, value, from } = summary;
    const title = `${showFeature(ref.coder.cfg, ref.feature)}${name ? ` (${name})` : ""}`;
    note(`${title} is set to ${value} from position ${from}`);
    const firings = fires
      .slice(0, shownFirings)
      .map(({ position, value }) => `${token(position)} ${value.toFixed(1)}`);
    const rest = fires.length - firings.length;
    if (rest > 0) firings.push(`and ${rest} more`);
    const none = "no token where it is ablated";
    say(`${title} fires on ${fires.length === 0 ? none : firings.join("  ")}`);
  }
  const { position } = options;
  const title = `next after ${token(position)} (${tokens.at(position)?.position})`;
  if (rose.length + fell.length === 0) say(`\n${title}: nothing changes`);
  else printChanges(title, rose, fell);
  if (loss === null) return;
  const change = signed(loss.after - loss.before);
  const [before, after] = [loss.before.toFixed(3), loss.after.toFixed(3)];
  say(`\nloss ${before} → ${after} (${change} nats per token)`);
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
    changes.map(({ before, after, logitChange, ...token }, row) => [
      row > 0 ? "" : i === 0 ? "rose" : "fell",
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
