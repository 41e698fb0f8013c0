import { randomInt } from "node:crypto";
import { argument } from "../errors/check-options.js";
import type { NativeSampling } from "../native/addon.js";

/** Options for drawing the next token. */
export interface SamplingOptions {
  /** Divide the logits by this number; 0 takes the most probable token. Default 1. */
  readonly temperature?: number | undefined;
  /** Draw only from the k most probable tokens (Fan et al. 2018, arXiv 1805.04833). */
  readonly topK?: number | undefined;
  /**
   * Draw only from the most probable tokens whose probabilities first add up to p, in (0, 1]
   * (Holtzman et al. 2019, arXiv 1904.09751).
   */
  readonly topP?: number | undefined;
  /** A value above 1 makes tokens that already occurred less probable (CTRL, arXiv 1909.05858). */
  readonly repetitionPenalty?: number | undefined;
  /**
   * The draws depend only on seed, row and step. Default: random, available as `generation.seed`.
   */
  readonly seed?: number | undefined;
}

/** Checks the options; absent ones are off. */
export function checkSampling(
  caller: string,
  options: SamplingOptions,
): Omit<NativeSampling, "history" | "historyPtr" | "ended"> {
  const { temperature = 1, topK, topP, repetitionPenalty = 1 } = options;
  const seed = options.seed ?? randomInt(2 ** 32);
  check(
    caller,
    "temperature",
    temperature,
    "a number ≥ 0",
    Number.isFinite(temperature) && temperature >= 0,
  );
  check(
    caller,
    "topK",
    topK,
    "a positive integer",
    topK === undefined || (Number.isSafeInteger(topK) && topK > 0),
  );
  check(caller, "topP", topP, "a number in (0, 1]", topP === undefined || (topP > 0 && topP <= 1));
  const penalty = Number.isFinite(repetitionPenalty) && repetitionPenalty > 0;
  check(caller, "repetitionPenalty", repetitionPenalty, "a number > 0", penalty);
  check(caller, "seed", seed, "an integer in [0, 2^53)", Number.isSafeInteger(seed) && seed >= 0);
  return { temperature, topK: topK ?? 0, topP: topP ?? 1, repetitionPenalty, seed };
}

function check(
  caller: string,
  name: string,
  value: unknown,
  expected: string,
  valid: boolean,
): void {
  if (!valid) throw argument(caller, expected, name, String(value), { option: name });
}
