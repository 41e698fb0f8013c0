import { argument } from "../errors/check-options.js";
import type { KvCacheHandle, NativeRunResult } from "../native/addon.js";
import { call } from "../native/call.js";
import { execute } from "./execute.js";
import type { GeneratedToken, GenerateOptions } from "./generate-options.js";
import { type GeneratePlan, nextStep, planGeneration } from "./generate-plan.js";
import { GenerationRecord, historyOf, withText } from "./generation-record.js";
import type { ModelCore } from "./model-core.js";
import { type TokenInput, tokenRows } from "./model-input.js";
import { RecordBuilder } from "./record-builder.js";
import { needed } from "./run-outcome.js";
import type { RunPlan } from "./run-plan.js";
import { RecordedToken } from "./token-record.js";

const caller = "generate";

/**
 * New tokens as they are drawn: iterate over them, or await `text()`. A generation can be consumed
 * once. Leaving the loop early frees its key-value cache and the records not yet yielded.
 *
 * @example
 * const generation = model.generate(["One day", "One sunny day"], { maxNewTokens: 4 });
 * for await (const { batch, text, logprob } of generation) console.log(batch, text, logprob);
 */
export class Generation<Item extends GeneratedToken = GeneratedToken>
  implements AsyncIterable<Item>
{
  /** The seed that reproduces the draws; undefined if the options were refused. */
  readonly seed: number | undefined;
  readonly #core: ModelCore;
  readonly #plan: GeneratePlan | undefined;
  readonly #failure: unknown;
  #consumed = false;

  /** @internal Invalid arguments reject when the generation is consumed. */
  constructor(core: ModelCore, input: TokenInput, options: GenerateOptions) {
    this.#core = core;
    try {
      this.#plan = planGeneration(core, input, options);
    } catch (error) {
      this.#failure = error;
    }
    this.seed = this.#plan?.sampling.seed;
  }

  /**
   * Runs to the end and returns the new text of the only prompt.
   *
   * @throws ARGUMENT if there are several prompts, or the generation was consumed before; as
   *   `forward`
   */
  async text(): Promise<string> {
    const { batch } = this.#ready().prompt.rows;
    if (batch !== 1) throw argument(caller, "one prompt (use texts())", "text()", `${batch}`);
    return (await this.texts())[0] ?? "";
  }

  /**
   * Runs to the end and returns the new text of each prompt.
   *
   * @throws ARGUMENT if the generation was consumed before; as `forward`
   */
  async texts(): Promise<string[]> {
    const texts = new Array<string>(this.#ready().prompt.rows.batch).fill("");
    for await (const item of this) {
      try {
        texts[item.batch] += item.text;
      } finally {
        if (item instanceof RecordedToken) item.dispose();
      }
    }
    return texts;
  }

  /**
   * Yields the tokens step by step, and in each step row by row. If a step fails, all tokens of
   * earlier steps have been yielded.
   *
   * @throws ARGUMENT if the logits of a row that has not ended have a NaN or +Infinity, or
   *   -Infinity for every token (-Infinity for a masked token is valid); `fields` have row, step
   *   and hook, the first hook point known not to be finite
   * @throws OUT_OF_MEMORY if the key-value cache has no room for the next tokens; the message says
   *   how many tokens or rows fit
   */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    return this.#generate() as AsyncGenerator<Item, void, undefined>;
  }

  #ready(): GeneratePlan {
    if (this.#plan === undefined) throw this.#failure;
    return this.#plan;
  }

  async *#generate(): AsyncGenerator<GeneratedToken, void, undefined> {
    const plan = this.#ready();
    if (this.#consumed) {
      throw argument(caller, "a generation that was not consumed", "iteration", "a second one");
    }
    this.#consumed = true;
    if (plan.steps === 0) return;
    const core = this.#core;
    const { prompt } = plan;
    const { batch } = prompt.rows;
    const capacity = prompt.rows.pos + plan.steps;
    const kv = call(caller, (addon) => addon.kvCacheCreate(core.handle(caller), batch, capacity));
    try {
      const rows = tokenRows(prompt).map((ids) => new GenerationRecord(core, ids, plan));
      let run = plan.run;
      for (let step = 0; step < plan.steps; step++) {
        const result = await draw(core, plan, run, kv, rows);
        const record = plan.records
          ? new RecordBuilder(core, run, result, prompt.rows, step)
          : undefined;
        try {
          const tokens = needed(caller, result.tokens);
          const logprobs = needed(caller, result.logprobs);
          const last = step + 1 === plan.steps;
          for (const [row, state] of rows.entries()) {
            if (state.ended) continue;
            const token = tokens[row] as number;
            const text = state.push(token, last);
            const drawn = { batch: row, token, logprob: logprobs[row] as number, step };
            yield record === undefined ? withText(drawn, text) : await record.token(drawn, text);
          }
          if (rows.every(({ ended }) => ended)) return;
          run = nextStep(plan, run, tokens);
        } finally {
          record?.dispose();
        }
      }
    } finally {
      plan.run[Symbol.dispose]();
      call(caller, (addon) => addon.dispose(kv));
    }
  }
}

/** Runs one step over the prompt or the tokens drawn last, and draws the next tokens. */
function draw(
  core: ModelCore,
  { sampling }: GeneratePlan,
  run: RunPlan,
  kv: KvCacheHandle,
  rows: readonly GenerationRecord[],
): Promise<NativeRunResult> {
  const penalized = sampling.repetitionPenalty !== 1;
  const sample = {
    ...sampling,
    ...(penalized && historyOf(rows)),
    ...(rows.some(({ ended }) => ended) && {
      ended: Uint8Array.from(rows, ({ ended }) => Number(ended)),
    }),
  };
  return execute(core, run, { kv, sample });
}
