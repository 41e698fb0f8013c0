import { argument, checkOptions } from "../errors/check-options.js";
import type { ResolvedHook } from "../hooks/js-hooks.js";
import type { Edits } from "../intervene/edits.js";
import { stepOf } from "../intervene/run-rows.js";
import type { NativeSampling } from "../native/addon.js";
import { resolveHooks } from "./execute.js";
import type { GenerateOptions } from "./generate-options.js";
import type { RowEnds } from "./generated-row.js";
import type { LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import {
  alignRight,
  type CheckedTokens,
  type InputContext,
  readTokens,
  type TokenInput,
} from "./model-input.js";
import { type Recording, resolveRecording } from "./recording.js";
import { editKeys, resolveEdits } from "./run-edits.js";
import type { RunStart } from "./run-start.js";
import { checkSampling } from "./sampling.js";
import { truncatedSide } from "./truncate.js";

/** Everything about a generation that is settled before it begins. */
export interface GeneratePlan extends RowEnds {
  /** All padding on the left. */
  readonly prompt: CheckedTokens;
  readonly range: LayerRange;
  readonly hooks: readonly ResolvedHook[];
  readonly edits: Edits | undefined;
  readonly recording: Recording | undefined;
  /** Tokens to draw at most. */
  readonly steps: number;
  readonly sampling: Omit<NativeSampling, "history" | "historyPtr" | "ended">;
  readonly signal: AbortSignal | undefined;
}

/** Checks a generation's input and options. */
export function planGeneration(
  what: string,
  core: ModelCore,
  input: TokenInput,
  options: GenerateOptions,
): GeneratePlan {
  core.handle(what);
  checkOptions(what, options, [
    ...editKeys,
    "maxNewTokens",
    "temperature",
    "topK",
    "topP",
    "repetitionPenalty",
    "seed",
    "stopAtEos",
    "stop",
    "prependBos",
    "truncate",
    "hooks",
    "record",
    "signal",
  ]);
  const { maxNewTokens = 20, stopAtEos = true, stop = [] } = options;
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0) {
    throw argument(what, "an integer ≥ 0", "maxNewTokens", maxNewTokens);
  }
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === "")) {
    throw argument(what, "a list of strings that are not empty", "stop", JSON.stringify(stop));
  }
  const sampling = checkSampling(what, options);
  const read = readPrompts(what, core, input, options, maxNewTokens);
  const prompt = alignRight(read, core.cfg);
  const { rows } = prompt;
  const longest = Math.max(...Array.from({ length: rows.batch }, (_, row) => rows.length(row)));
  // The last token drawn is never read, so it needs no place in the context.
  const steps = Math.min(maxNewTokens, core.cfg.nCtx - longest + 1);
  const range = { start: 0, stop: core.cfg.nLayers, embeds: true, completes: true };
  const first = stepOf(rows, 0, steps);
  return {
    prompt,
    range,
    hooks: resolveHooks(what, core, options.hooks),
    edits: resolveEdits(what, core, options, range, promptStart(prompt), first),
    recording: resolveRecording(what, core, options.record, range),
    steps,
    sampling,
    ends: new Set(stopAtEos ? core.cfg.eosTokenIds : []),
    stops: stop,
    signal: options.signal,
  };
}

/** Prompts as tokens, padded on the left; with `truncate`, cut so that `maxNewTokens` fit behind. */
function readPrompts(
  what: string,
  core: ModelCore,
  input: TokenInput,
  { prependBos, truncate }: GenerateOptions,
  maxNewTokens: number,
): CheckedTokens {
  const options = { prependBos, truncate, paddingSide: "left" } as const;
  if (truncatedSide(what, truncate) === undefined) return readTokens(what, input, core, options);
  // The last token drawn is never read; at least the BOS and one token of the prompt stay.
  const nCtx = core.cfg.nCtx - Math.max(maxNewTokens - 1, 0);
  if (nCtx < 2) {
    const expected = `at most ${core.cfg.nCtx - 1} with truncate (the context's length)`;
    throw argument(what, expected, "maxNewTokens", maxNewTokens);
  }
  const context: InputContext = {
    cfg: { ...core.cfg, nCtx },
    get tokenizer() {
      return core.tokenizer; // read from its file only if there is text
    },
  };
  return readTokens(what, input, context, options);
}

/** The run over the prompt. */
export function promptStart({ ids, padding, rows }: CheckedTokens): RunStart {
  const { batch, pos } = rows;
  return { batch, pos, tokens: ids, ids, resid: undefined, padding, rows, layer: 0 };
}
