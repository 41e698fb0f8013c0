import type { Command } from "commander";
import { printableText } from "../../report/token-text.js";
import { collect, number, readText } from "../options/arguments.js";
import { type ChatFlag, promptOf, withChat } from "../options/chat-prompt.js";
import {
  type CoderOptions,
  CoderSet,
  checkCoders,
  specHelp,
  withCoders,
} from "../options/coder-set.js";
import {
  chosenInterventions,
  firstPosition,
  type InterventionOptions,
  intervenes,
  withInterventions,
} from "../options/interventions.js";
import { loadModel, type ModelOptions, withModel } from "../options/model-options.js";
import { type SamplingFlags, samplingOf, withSampling } from "../options/sampling-options.js";
import { withSpecialTokens } from "../options/special-tokens.js";
import { say, sayJson } from "../print/output.js";
import { note, paintFor } from "../print/terminal.js";

interface GenerateOptions
  extends ModelOptions,
    SamplingFlags,
    CoderOptions,
    InterventionOptions,
    ChatFlag {
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly json?: boolean;
}

/** `gemlens generate`: continues a prompt, printing each token as it is drawn. */
export function register(program: Command): void {
  const positive = number((value) => value > 0, "a number above 0");
  const command = program
    .command("generate")
    .description("continue a prompt, printing each token as it is drawn")
    .argument("[prompt...]", "the prompt (default: standard input)");
  withSampling(command, 40)
    .option(
      "--repetition-penalty <r>",
      "above 1, makes tokens that already occurred less probable",
      positive,
    )
    .option(
      "--stop <text>",
      "stop before this text, which may be a special token; repeatable",
      collect,
    );
  withInterventions(command);
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option("--json", "print one JSON line per token, then one with text, seed and timing")
    .action(generate)
    .addHelpText("after", `\n--ablate, --clamp and --steer are repeatable.${specHelp}`);
}

async function generate(
  words: string[],
  options: GenerateOptions,
  command: Command,
): Promise<void> {
  if (intervenes(options)) checkCoders(command, options);
  const given = await readText(words, command);
  await using model = await loadModel(options);
  const prompt = promptOf(model, given, options);
  using coders = new CoderSet("generate", options);
  const chosen = await chosenInterventions(options, coders, firstPosition(model, prompt, options));
  const { repetitionPenalty, stop, json } = options;
  const generation = model.generate(prompt, {
    ...samplingOf(options),
    repetitionPenalty,
    stop,
    interventions: chosen.map(({ intervention }) => intervention),
  });
  // The prompt is not part of the data: it goes to stderr, and only if a person reads both streams.
  const atTerminal = process.stdout.isTTY && process.stderr.isTTY && !json;
  if (atTerminal) process.stderr.write(paintFor(process.stderr).dim(printableText(prompt)));
  const started = performance.now();
  let text = "";
  let count = 0;
  for await (const token of generation) {
    text += token.text;
    count++;
    if (!json) process.stdout.write(printableText(token.text));
    else {
      const { step, token: id, logprob } = token;
      sayJson({ step, id, text: token.text, logprob });
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const { seed } = generation;
  const interventions = chosen.map(({ summary }) => summary);
  if (json) {
    sayJson({ prompt, text, seed, interventions, tokens: count, seconds });
  } else say();
  const speed = seconds === 0 ? 0 : count / seconds;
  note(`${count} tokens in ${seconds.toFixed(2)} s (${speed.toFixed(0)} per second), seed ${seed}`);
}
