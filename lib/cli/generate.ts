import type { Command } from "commander";
import { integer, number, readText } from "./arguments.js";
import { loadModel, type ModelOptions, withModel } from "./model-options.js";
import { note, paintFor } from "./terminal.js";

interface GenerateOptions extends ModelOptions {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly json?: boolean;
}

/** `gemlens generate`: a prompt's continuation, token by token as it is drawn. */
export function register(program: Command): void {
  const positive = number((value) => value > 0, "a number above 0");
  const command = program
    .command("generate")
    .description("continue a prompt, token by token as they are drawn")
    .argument("[prompt...]", "the prompt; standard input where it is left out")
    .option("--max-new-tokens <n>", "at most this many tokens", integer(0), 40)
    .option(
      "--temperature <t>",
      "0 takes the most probable token",
      number((t) => t >= 0, "a number of at least 0"),
      1,
    )
    .option("--top-k <k>", "draw among the k most probable tokens", integer(1))
    .option(
      "--top-p <p>",
      "draw among the most probable tokens that add up to p",
      number((p) => p > 0 && p <= 1, "a number above 0, at most 1"),
    )
    .option(
      "--repetition-penalty <r>",
      "more than 1 makes tokens that occurred less probable",
      positive,
    )
    .option("--seed <n>", "repeats a draw (default: a new one, told on stderr)", integer(0))
    .option("--stop <text>", "end before this text; may be given again", collect);
  withModel(command)
    .option("--json", "print one JSON line per token, then one with text, seed and timing")
    .action(generate);
}

const collect = (text: string, before: readonly string[] = []) => [...before, text];

async function generate(
  words: string[],
  options: GenerateOptions,
  command: Command,
): Promise<void> {
  const prompt = await readText(words, command);
  await using model = await loadModel(options);
  const { maxNewTokens, temperature, topK, topP, repetitionPenalty, stop, json } = options;
  const generation = model.generate(prompt, {
    maxNewTokens,
    temperature,
    topK,
    topP,
    repetitionPenalty,
    stop,
    seed: options.seed,
  });
  // Where both go to one terminal the prompt is shown for reading; it is not part of the data.
  const atTerminal = process.stdout.isTTY && process.stderr.isTTY && !json;
  if (atTerminal) process.stderr.write(paintFor(process.stderr).dim(prompt));
  const started = performance.now();
  let text = "";
  let count = 0;
  for await (const token of generation) {
    text += token.text;
    count++;
    if (!json) process.stdout.write(token.text);
    else {
      const { step, token: id, logprob } = token;
      console.log(JSON.stringify({ step, id, text: token.text, logprob }));
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const { seed } = generation;
  if (json) console.log(JSON.stringify({ prompt, text, seed, tokens: count, seconds }));
  else process.stdout.write("\n");
  const speed = seconds === 0 ? 0 : count / seconds;
  note(`${count} tokens in ${seconds.toFixed(2)} s (${speed.toFixed(0)} a second), seed ${seed}`);
}
