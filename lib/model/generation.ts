import { RowLayout } from "../coder/row-layout.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { Hook } from "../hooks/index.js";
import type { ResolvedHook } from "../hooks/js-hooks.js";
import type { KvCacheHandle, NativeSampling } from "../native/addon.js";
import { call } from "../native/call.js";
import { execute, resolveHooks } from "./execute.js";
import type { LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import {
  alignRight,
  type CheckedTokens,
  readTokens,
  type TokenInput,
  tokenRows,
} from "./model-input.js";
import { RowText } from "./row-text.js";
import type { RunStart } from "./run-start.js";
import { checkSampling, type SamplingOptions } from "./sampling.js";

export interface GenerateOptions extends SamplingOptions {
  /** Default 20. Generation also ends where the model's context is full. */
  readonly maxNewTokens?: number | undefined;
  /** End a row at the model's end tokens. Default true. */
  readonly stopAtEos?: boolean | undefined;
  /** End a row before any of these strings. */
  readonly stop?: readonly string[] | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** `step` is 0 for the prompt, then counts; `positionOffset` is the first column of `act`. */
  readonly hooks?: readonly Hook[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One new token of one row. */
export interface GeneratedToken {
  readonly row: number;
  readonly token: number;
  /** The text that is certain with it: "" inside a character, for special and for stop tokens. */
  readonly text: string;
  /** Natural logarithm of its probability under the unmodified softmax. */
  readonly logprob: number;
  /** 0 for the first new token. */
  readonly step: number;
}

/** Everything about a generation that is settled before it begins. */
interface Plan {
  readonly prompt: CheckedTokens;
  readonly hooks: readonly ResolvedHook[];
  readonly steps: number;
  readonly sampling: Omit<NativeSampling, "history" | "historyPtr">;
  readonly ends: ReadonlySet<number>;
  readonly stops: readonly string[];
  readonly signal: AbortSignal | undefined;
}

const what = "generate";

/**
 * New tokens as they are drawn: iterate it, or await `text()`. Can be consumed once; leaving the
 * loop early frees its key-value cache.
 *
 * @example
 * for await (const { text } of model.generate("The sea", { maxNewTokens: 30 })) process.stdout.write(text);
 */
export class Generation implements AsyncIterable<GeneratedToken> {
  /** What reproduces the draws; undefined when the options were refused. */
  readonly seed: number | undefined;
  readonly #core: ModelCore;
  readonly #plan: Plan | undefined;
  readonly #failure: unknown;
  #consumed = false;

  /** @internal Bad arguments reject where the generation is consumed. */
  constructor(core: ModelCore, input: TokenInput, options: GenerateOptions) {
    this.#core = core;
    try {
      this.#plan = makePlan(core, input, options);
    } catch (error) {
      this.#failure = error;
    }
    this.seed = this.#plan?.sampling.seed;
  }

  /** Runs to the end: the new text of the only prompt. ARGUMENT for a batch. */
  async text(): Promise<string> {
    const { batch } = this.#ready().prompt.rows;
    if (batch !== 1) throw argument(what, "one prompt (use texts())", "text()", `${batch}`);
    return (await this.texts())[0] ?? "";
  }

  /** Runs to the end: the new text of each prompt. */
  async texts(): Promise<string[]> {
    const texts = new Array<string>(this.#ready().prompt.rows.batch).fill("");
    for await (const { row, text } of this) texts[row] += text;
    return texts;
  }

  [Symbol.asyncIterator](): AsyncGenerator<GeneratedToken, void, undefined> {
    return this.#generate();
  }

  #ready(): Plan {
    if (this.#plan === undefined) throw this.#failure;
    return this.#plan;
  }

  async *#generate(): AsyncGenerator<GeneratedToken, void, undefined> {
    const plan = this.#ready();
    if (this.#consumed) {
      throw argument(what, "a generation that was not consumed", "iteration", "a second one");
    }
    this.#consumed = true;
    if (plan.steps === 0) return;
    const core = this.#core;
    const { prompt } = plan;
    const { batch } = prompt.rows;
    const capacity = prompt.rows.pos + plan.steps;
    const kv = call(what, (addon) => addon.kvCacheCreate(core.handle(what), batch, capacity));
    try {
      const rows = tokenRows(prompt).map((ids) => new Row(core, [...ids], plan));
      let start = startOf(prompt);
      for (let step = 0; step < plan.steps; step++) {
        const drawn = await draw(core, plan, start, kv, step, rows);
        const last = step + 1 === plan.steps;
        for (const [row, state] of rows.entries()) {
          if (state.ended) continue;
          const token = drawn.tokens[row] as number;
          const text = state.push(token, last);
          const logprob = drawn.logprobs[row] as number;
          yield withText({ row, token, logprob, step }, text);
        }
        if (rows.every(({ ended }) => ended)) return;
        start = nextStart(drawn.tokens);
      }
    } finally {
      call(what, (addon) => addon.dispose(kv));
    }
  }
}

/** One row's tokens so far, and its text. */
class Row {
  readonly history: number[];
  readonly #plan: Plan;
  // A folder without tokenizer.json still generates from ids; only the text is missing.
  readonly #text: RowText | { readonly missing: unknown };
  ended = false;

  constructor(core: ModelCore, prompt: number[], plan: Plan) {
    this.history = prompt;
    this.#plan = plan;
    this.#text = rowText(core, plan.stops);
  }

  /** Adds a token; a text, or why there is none. */
  push(token: number, last: boolean): string | { readonly missing: unknown } {
    this.history.push(token);
    const ends = this.#plan.ends.has(token);
    this.ended = ends || last;
    if (!(this.#text instanceof RowText)) return this.#text;
    const text = ends ? "" : this.#text.push(token);
    this.ended ||= this.#text.stopped;
    return this.ended ? text + this.#text.end() : text;
  }
}

function rowText(core: ModelCore, stops: readonly string[]): RowText | { missing: unknown } {
  try {
    return new RowText(core.tokenizer.stream({ skipSpecialTokens: true }), stops);
  } catch (error) {
    if (stops.length > 0 || !GemlensError.is(error)) throw error;
    return { missing: error };
  }
}

function withText(
  token: Omit<GeneratedToken, "text">,
  text: string | { readonly missing: unknown },
): GeneratedToken {
  if (typeof text === "string") return { ...token, text };
  return {
    ...token,
    get text(): string {
      throw text.missing;
    },
  };
}

async function draw(
  core: ModelCore,
  plan: Plan,
  start: RunStart,
  kv: KvCacheHandle,
  step: number,
  rows: readonly Row[],
): Promise<{ tokens: Int32Array; logprobs: Float32Array }> {
  const range: LayerRange = { start: 0, stop: core.cfg.nLayers, embeds: true, completes: true };
  const { tokens, logprobs } = await execute(core, {
    what,
    start,
    range,
    output: "none",
    columns: new Int32Array(start.batch).fill(start.pos - 1),
    hooks: plan.hooks,
    signal: plan.signal,
    kv,
    step,
    sample: plan.sampling.repetitionPenalty === 1 ? plan.sampling : withHistory(plan, rows),
  });
  if (tokens === undefined || logprobs === undefined) {
    throw new GemlensError("INTERNAL", `${what}: the native core drew no token`);
  }
  return { tokens, logprobs };
}

function withHistory({ sampling }: Plan, rows: readonly Row[]): NativeSampling {
  const historyPtr = new Int32Array(rows.length + 1);
  for (const [i, { history }] of rows.entries()) {
    historyPtr[i + 1] = (historyPtr[i] as number) + history.length;
  }
  return {
    ...sampling,
    history: Int32Array.from(rows.flatMap(({ history }) => history)),
    historyPtr,
  };
}

function startOf({ ids, padding, rows }: CheckedTokens): RunStart {
  const { batch, pos } = rows;
  return { batch, pos, tokens: ids, resid: undefined, padding, rows, layer: 0 };
}

/** The drawn tokens as the next column; rows that have ended go along unread. */
function nextStart(tokens: Int32Array): RunStart {
  const rows = new RowLayout(tokens.length, 1);
  return {
    batch: tokens.length,
    pos: 1,
    tokens,
    resid: undefined,
    padding: undefined,
    rows,
    layer: 0,
  };
}

function makePlan(core: ModelCore, input: TokenInput, options: GenerateOptions): Plan {
  core.handle(what);
  checkOptions(what, options, [
    "maxNewTokens",
    "temperature",
    "topK",
    "topP",
    "repetitionPenalty",
    "seed",
    "stopAtEos",
    "stop",
    "prependBos",
    "hooks",
    "signal",
  ]);
  const { maxNewTokens = 20, stopAtEos = true, stop = [], prependBos } = options;
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0) {
    throw argument(what, "an integer ≥ 0", "maxNewTokens", maxNewTokens);
  }
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== "string" || text === "")) {
    throw argument(what, "a list of strings that are not empty", "stop", JSON.stringify(stop));
  }
  const sampling = checkSampling(what, options);
  const read = readTokens(what, input, core, { prependBos, paddingSide: "left" });
  const prompt = alignRight(read, core.cfg);
  const { rows } = prompt;
  const longest = Math.max(...Array.from({ length: rows.batch }, (_, row) => rows.length(row)));
  return {
    prompt,
    hooks: resolveHooks(what, core, options.hooks),
    // The last token drawn is never read, so it needs no place in the context.
    steps: Math.min(maxNewTokens, core.cfg.nCtx - longest + 1),
    sampling,
    ends: new Set(stopAtEos ? core.cfg.eosTokenIds : []),
    stops: stop,
    signal: options.signal,
  };
}
