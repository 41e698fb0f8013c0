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

/** `gemlens generate`: a prompt's continuation, token by token as it is drawn. */
export function register(program: Command): void {
  const positive = number((value) => value > 0, "a number above 0");
  const command = program
    .command("generate")
    .description("continue a prompt, token by token as they are drawn")
    .argument("[prompt...]", "the prompt; standard input where it is left out");
  withSampling(command, 40)
    .option(
      "--repetition-penalty <r>",
      "more than 1 makes tokens that occurred less probable",
      positive,
    )
    .option(
      "--stop <text>",
      "end before this text, a special token's too; may be given again",
      collect,
    );
  withInterventions(command);
  withModel(withSpecialTokens(withChat(withCoders(command))))
    .option("--json", "print one JSON line per token, then one with text, seed and timing")
    .action(generate)
    .addHelpText("after", `\n--ablate, --clamp and --steer may be given again.${specHelp}`);
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
  // Where both go to one terminal the prompt is shown for reading; it is not part of the data.
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
  const interventions = chosen.map(({ told }) => told);
  if (json) {
    sayJson({ prompt, text, seed, interventions, tokens: count, seconds });
  } else say();
  const speed = seconds === 0 ? 0 : count / seconds;
  note(`${count} tokens in ${seconds.toFixed(2)} s (${speed.toFixed(0)} a second), seed ${seed}`);
}
