import type { Command } from "commander";
import { readout } from "../../attribute/readout/readout.js";
import type { TokenScore } from "../../attribute/readout/token-scores.js";
import type { FeatureRef } from "../../coder/coder.js";
import { hooksOf, type Site } from "../../coder/site.js";
import { steer as steering } from "../../intervene/directions.js";
import type { InterventionOptions } from "../../intervene/types.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { tidy } from "../../native/scope.js";
import { probability } from "../../report/numbers.js";
import { textColumns } from "../../report/text-columns.js";
import { printable, quoteToken } from "../../report/token-text.js";
import type { Tensor } from "../../tensor/tensor.js";
import { integer, numbers, readText } from "../options/arguments.js";
import { type ChatFlag, promptOf, withChat } from "../options/chat-prompt.js";
import {
  type CoderOptions,
  CoderSet,
  checkCoders,
  specHelp,
  withCoders,
} from "../options/coder-set.js";
import { type FeatureSpec, featureSpec, showFeature } from "../options/feature-spec.js";
import { firstPosition } from "../options/interventions.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import { type SamplingFlags, samplingOf, withSampling } from "../options/sampling-options.js";
import {
  excludes,
  type SpecialTokensFlag,
  specialIds,
  withSpecialTokens,
} from "../options/special-tokens.js";
import { type NextToken, nextTokens } from "../print/next-tokens.js";
import { say, sayJson, sayTable } from "../print/output.js";
import { listedToken } from "../print/shown-tokens.js";
import { note, paintFor, proseWidth } from "../print/terminal.js";

interface SteerOptions
  extends SpecialTokensFlag,
    ModelOptions,
    SamplingFlags,
    CoderOptions,
    ChatFlag {
  readonly strengths?: readonly number[];
  readonly top: number;
  readonly json?: boolean;
}

/** Default strengths, in multiples of the mean length of the rows that are steered. */
const lengths = [0.25, 0.5, 1];
/** The number of most probable next tokens that are shown. */
const shown = 3;

/** `gemlens steer`: repeats one draw with and without a feature's direction, at several strengths. */
export function register(program: Command): void {
  const command = program
    .command("steer")
    .description("continue a prompt with and without a feature's direction, side by side")
    .argument("<feature>", "layer:feature[:strength[:from]]", featureSpec("optional"))
    .argument("[prompt...]", "the prompt (default: standard input)")
    .option(
      "--strengths <list>",
      "separated by commas, as in 10,20,40 (default: see below)",
      numbers,
    );
  withSampling(command, 30).option(
    "--top <n>",
    "track this many of the tokens that the feature promotes",
    integer(1),
    5,
  );
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option("--json", "print {model, feature, prompt, seed, tokens, runs}")
    .action(steer)
    .addHelpText(
      "after",
      `
Strength s adds s times the feature's decoder row. The default strengths make that 1/4, 1/2 and 1 times
the mean length of the rows it is added to. All continuations use the same seed.${specHelp}`,
    );
}

/** The results for the prompt at one strength. */
interface SteeredRun {
  readonly strength: number;
  /** The total probability of the tracked tokens as the next token. */
  readonly probability: number;
  readonly next: readonly NextToken[];
  readonly text: string;
}

async function steer(
  spec: FeatureSpec,
  words: string[],
  options: SteerOptions,
  command: Command,
): Promise<void> {
  checkCoders(command, options);
  if (spec.value !== undefined && options.strengths !== undefined) {
    command.error("error: the strength is given twice, with the feature and by --strengths");
  }
  const text = await readText(words, command);
  await using model = await loadModel(options);
  const prompt = promptOf(model, text, options);
  using coders = new CoderSet("steer", options);
  const ref = await coders.find(spec);
  const from = spec.from ?? firstPosition(model, prompt, options);
  const where = { positions: { from }, ...excludes(options) };
  const given = spec.value === undefined ? options.strengths : [spec.value];
  const strengths = given ?? (await defaultStrengths(model, ref, prompt, from, options));
  const { top } = await readout(model, ref, { topK: options.top });
  const allStrengths = [0, ...strengths];
  const next = await steeredNext(model, ref, prompt, allStrengths, where, top);
  const runs: SteeredRun[] = [];
  let { seed } = options;
  for (const [i, strength] of allStrengths.entries()) {
    const interventions = [steering(ref, strength, where)];
    const generation = model.generate(prompt, { ...samplingOf(options), seed, interventions });
    seed = generation.seed;
    const row = next[i] as (typeof next)[number];
    runs.push({ strength, ...row, text: await generation.text() });
  }
  const promoted = top.map(({ token, logit }) => {
    return { token: listedToken(model.tokenizer, token), logit };
  });
  const { hookNameOut: hook } = hooksOf(ref.coder.cfg);
  const name = coders.name(ref);
  if (options.json) {
    const feature = { hook, feature: ref.feature, ...(name && { name }), from };
    const tokens = promoted.map(({ token, logit }) => ({ ...token, logit }));
    sayJson({ model: options.model, feature, prompt, seed, tokens, runs });
    return;
  }
  const title = showFeature(ref.coder.cfg, ref.feature);
  note(`${title}${name ? ` (${name})` : ""}, added to ${hook} from position ${from}, seed ${seed}`);
  say(`It promotes ${promoted.map(({ token }) => quoteToken(token)).join(" ")}\n`);
  print(prompt, runs);
}

function print(prompt: string, runs: readonly SteeredRun[]): void {
  const { bold, dim } = paintFor();
  const rows = runs.map(({ strength, probability: p, next }) => [
    `${strength}`,
    probability(p),
    next.map((token) => `${quoteToken(token)} ${probability(token.probability)}`).join("  "),
  ]);
  const head = ["strength", "probability of these next", "the most probable next"];
  sayTable([head, ...rows], ["right", "right"]);
  say(`\n${bold(printable(prompt))}${dim(" …")}`);
  const columns = runs.map(({ strength, text }) => ({
    head: strength === 0 ? "without" : `strength ${strength}`,
    text,
  }));
  for (const line of textColumns(columns, proseWidth())) say(line);
}

/** `lengths` times the mean length of the steered rows, relative to the direction's, to two digits. */
async function defaultStrengths(
  model: HookedTransformer,
  { coder, feature }: FeatureRef,
  prompt: string,
  from: number,
  options: SpecialTokensFlag,
): Promise<number[]> {
  const { hookName: hookNameOut, width: dOut } = coder.cfg.writes[0] as Site;
  using run = await model.runWithCache(prompt, { names: [hookNameOut], logits: false });
  const excluded = excludes(options).excludeSpecialTokens ? specialIds(model) : new Set<number>();
  const { ids } = model.toTokens(prompt);
  const ratio = tidy(() => {
    const all: Tensor = run.cache.get(hookNameOut);
    const rows = all.to("float32").reshape([-1, dOut]);
    const count = rows.shape[0] ?? 1;
    const first = Math.min(from < 0 ? count + from : from, count - 1);
    const row = coder.direction(feature).to("float32");
    const steered = Array.from({ length: count }, (_, i) => i).slice(Math.max(0, first));
    const counted = steered.filter((position) => !excluded.has(ids[position] as number));
    const chosen = rows.index(0, counted.length > 0 ? counted : steered);
    const size = chosen.norm({ dim: 1 }).mean().item() as number;
    return size / (row.norm().item() as number);
  });
  return lengths.map((length) => Number((length * ratio).toPrecision(2)));
}

/** The next tokens at each strength, from one batch. */
async function steeredNext(
  model: HookedTransformer,
  ref: FeatureRef,
  prompt: string,
  strengths: readonly number[],
  where: InterventionOptions,
  top: readonly TokenScore[],
) {
  const rows = strengths.map(() => prompt);
  using logits = await model.forward(rows, {
    positions: [-1],
    interventions: strengths.map((strength, batch) => steering(ref, strength, { ...where, batch })),
  });
  const watched = top.map(({ token }) => token);
  const all = await nextTokens(model, logits, shown, watched);
  return all.map(({ best, asked }) => ({
    probability: asked.reduce((sum, { probability }) => sum + probability, 0),
    next: best,
  }));
}
