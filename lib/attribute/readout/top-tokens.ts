import { argument, checkOptions } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import type { TokenInput } from "../../model/model-input.js";
import { tidy } from "../../native/scope.js";
import { isTensor } from "../../tensor/internal.js";
import type { Tensor } from "../../tensor/tensor.js";
import { layoutOf } from "../cache-rows.js";
import { checkTopK, scoreLogits } from "./token-scores.js";

/** Options for `topTokens`. */
export interface TopTokensOptions {
  /** The position whose next token is predicted, negative from the row's end. Default −1. */
  readonly position?: number | undefined;
  /** The row of the batch; required if there is more than one. */
  readonly batch?: number | undefined;
  /** The number of tokens. Default 10. */
  readonly topK?: number | undefined;
  /** Put a BOS before a text that does not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** Stops the run; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** A token that may come next. */
export interface TopToken {
  /** Its id. */
  readonly token: number;
  /** Its text, or its id as "[47]" if the model has no tokenizer. */
  readonly text: string;
  /** Its logit after the soft cap. */
  readonly logit: number;
  /** Its probability, 0 to 1, of the softmax over the vocabulary. */
  readonly probability: number;
}

/**
 * The most probable next tokens, most probable first. The vocabulary is ranked natively, so only
 * these tokens leave the device.
 *
 * @param input a prompt to run, or logits [batch, pos, d_vocab]. A run's logits remember their
 *   padding, so positions count real tokens; positions of other logits count columns
 *
 * @example
 * for (const { text, probability } of await topTokens(model, "One sunny day, Lily", { topK: 3 })) {
 *   console.log(JSON.stringify(text), probability.toFixed(2));
 * }
 *
 * @throws ARGUMENT if the position, the row or `topK` is out of range, or logits are not finite
 *   (NaN or Infinity)
 * @throws SHAPE if the logits are not [batch, pos, d_vocab]; DISPOSED; `signal.reason`
 */
export async function topTokens(
  model: HookedTransformer,
  input: TokenInput | Tensor,
  options: TopTokensOptions = {},
): Promise<TopToken[]> {
  const caller = "topTokens";
  const client = new ModelClient(caller, model);
  checkOptions(caller, options, ["position", "batch", "topK", "prependBos", "signal"]);
  const { position = -1, prependBos, signal } = options;
  const topK = checkTopK(client, options.topK ?? 10);
  const given = isTensor(input);
  if (given) checkLogits(caller, input, client.cfg.dVocab);
  const tokens = given ? undefined : model.toTokens(input, { prependBos });
  const rows = given ? (input.shape[0] ?? 0) : (tokens?.shape[0] ?? 0);
  if (options.batch === undefined && rows > 1) {
    throw argument(caller, `a row in [0, ${rows})`, "batch", "none");
  }
  if (given) {
    const layout = layoutOf(input);
    const row = layout.row(caller, options.batch ?? 0);
    return best(input, row, layout.column(caller, row, position));
  }
  const row = options.batch ?? 0;
  if (!Number.isInteger(row) || row < 0 || row >= rows) {
    throw argument(caller, `an integer in [0, ${rows})`, "batch", row);
  }
  const length = tokens?.shape[1] ?? 0;
  const mask = tokens?.mask.subarray(row * length, (row + 1) * length);
  const one = tokens?.ids
    .subarray(row * length, (row + 1) * length)
    .filter((_, i) => mask?.[i] === 1);
  using logits = await model.forward(one as Int32Array, { positions: [position], signal });
  return best(logits, 0, 0);

  async function best(all: Tensor, batch: number, column: number): Promise<TopToken[]> {
    if (topK === 0) return [];
    using row = tidy(() => all.select(0, batch).slice(0, column, column + 1));
    const [scores] = await scoreLogits(client, row, {
      topK,
      targets: [],
      signal,
      name: () => `row ${batch} at column ${column}`,
    });
    return (scores?.top ?? []).map(({ token, text, logit, logprob }) => ({
      token,
      text,
      logit,
      probability: Math.exp(logprob),
    }));
  }
}

function checkLogits(caller: string, { shape }: Tensor, dVocab: number): void {
  if (shape.length === 3 && shape[2] === dVocab) return;
  throw new GemlensError(
    "SHAPE",
    sentence(caller, `logits [batch, pos, ${dVocab}]`, "input", `[${shape.join(", ")}]`),
    { expected: dVocab, got: shape },
  );
}
