import { argument, checkOptions } from "../errors/check-options.js";
import { stepOf } from "../intervene/run-rows.js";
import type { NativeSampling } from "../native/addon.js";
import type { GenerateOptions } from "./generate-options.js";
import type { RowEnds } from "./generation-record.js";
import type { ModelCore } from "./model-core.js";
import {
  alignRight,
  type CheckedTokens,
  type InputContext,
  type TokenInput,
  tokenizeInput,
} from "./model-input.js";
import { optionKeys } from "./run-options.js";
import { planFrom, type RunPlan } from "./run-plan.js";
import { nextStart, tokenStart } from "./run-start.js";
import { checkSampling } from "./sampling.js";
import { truncatedSide } from "./truncate.js";

/** A generation, resolved and checked: the plan of its first step, and the sampling. */
export interface GeneratePlan extends RowEnds {
  /** The prompts, padded on the left. */
  readonly prompt: CheckedTokens;
  /** The run over the prompt. */
  readonly run: RunPlan;
  /** Whether tokens hold a record of their run. */
  readonly records: boolean;
  /** The maximum number of tokens to draw. */
  readonly steps: number;
  readonly sampling: Omit<NativeSampling, "history" | "historyPtr" | "ended">;
}

const caller = "generate";

/** Checks a generation's input and options. */
export function planGeneration(
  core: ModelCore,
  input: TokenInput,
  options: GenerateOptions,
): GeneratePlan {
  core.handle(caller);
  checkOptions(caller, options, optionKeys.generate);
  const { maxNewTokens = 20, stopAtEos = true, stop = [], record } = options;
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0) {
    throw argument(caller, "an integer ≥ 0", "maxNewTokens", maxNewTokens);
  }
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === "")) {
    throw argument(caller, "a list of strings that are not empty", "stop", JSON.stringify(stop));
  }
  const sampling = checkSampling(caller, options);
  const tokens = tokenizePrompts(core, input, options, maxNewTokens);
  const prompt = alignRight(tokens, core.cfg);
  const { rows } = prompt;
  const longest = Math.max(...Array.from({ length: rows.batch }, (_, row) => rows.length(row)));
  // No run reads the last token drawn, so it does not have to fit in the context.
  const steps = Math.min(maxNewTokens, core.cfg.nCtx - longest + 1);
  const start = { start: tokenStart(prompt), rows: stepOf(rows, 0, steps) };
  return {
    prompt,
    run: planFrom(core, caller, start, { ...options, ...recorded(record) }),
    records: record !== undefined,
    steps,
    sampling,
    ends: new Set(stopAtEos ? core.cfg.eosTokenIds : []),
    stops: stop,
  };
}

/** The plan of the next step, which reads the tokens drawn last. */
export function nextStep(
  { prompt, steps }: GeneratePlan,
  before: RunPlan,
  tokens: Int32Array,
): RunPlan {
  const start = nextStart(tokens);
  const rows = stepOf(prompt.rows, (before.rows.step ?? 0) + 1, steps);
  return Object.freeze({ ...before, start, rows, columns: start.rows.columns(caller, [-1]) });
}

/** Converts `record` to the options of a plan. */
function recorded(record: GenerateOptions["record"]) {
  checkOptions(`${caller}: record`, record, ["names", "features", "logits"]);
  const { names, features, logits = false } = record ?? {};
  if (typeof logits !== "boolean") {
    throw argument(caller, "true or false", "record.logits", typeof logits);
  }
  return { names, features, logits: logits ? ("last" as const) : (false as const) };
}

/**
 * Tokenizes prompts, padded on the left; `truncate` cuts them so that `maxNewTokens` fit after
 * them.
 */
function tokenizePrompts(
  core: ModelCore,
  input: TokenInput,
  { prependBos, truncate }: GenerateOptions,
  maxNewTokens: number,
): CheckedTokens {
  const options = { prependBos, truncate, paddingSide: "left" } as const;
  if (truncatedSide(caller, truncate) === undefined)
    return tokenizeInput(caller, input, core, options);
  // No run reads the last token drawn. At least the BOS and one token of the prompt must remain.
  const nCtx = core.cfg.nCtx - Math.max(maxNewTokens - 1, 0);
  if (nCtx < 2) {
    const expected = `at most ${core.cfg.nCtx - 1} with truncate (the context's length)`;
    throw argument(caller, expected, "maxNewTokens", maxNewTokens);
  }
  const context: InputContext = {
    cfg: { ...core.cfg, nCtx },
    get tokenizer() {
      return core.tokenizer; // Only text loads the tokenizer's files.
    },
  };
  return tokenizeInput(caller, input, context, options);
}
