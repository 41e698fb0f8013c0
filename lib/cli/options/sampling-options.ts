import type { Command } from "commander";
import { integer, number } from "./arguments.js";

export interface SamplingFlags {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
}

/** Adds the options that set how many tokens are drawn, and how. */
export function withSampling(command: Command, maxNewTokens: number): Command {
  return command
    .option("--max-new-tokens <n>", "at most this many tokens", integer(0), maxNewTokens)
    .option(
      "--temperature <t>",
      "0 takes the most probable token",
      number((t) => t >= 0, "a number of at least 0"),
      1,
    )
    .option("--top-k <k>", "draw among the k most probable tokens", integer(1))
    .option(
      "--top-p <p>",
      "draw among the most probable tokens, up to a total probability of p",
      number((p) => p > 0 && p <= 1, "a number above 0, at most 1"),
    )
    .option("--seed <n>", "repeat a draw (default: a new seed, printed on stderr)", integer(0));
}

/** The sampling options of the library's `generate`, without a command's other options. */
export function samplingOf({ maxNewTokens, temperature, topK, topP, seed }: SamplingFlags) {
  return { maxNewTokens, temperature, topK, topP, seed };
}
