import { type ScoredRow, scoreLogits } from "../../attribute/readout/token-scores.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import { tidy } from "../../native/scope.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type ListedToken, listedToken } from "./shown-tokens.js";

/** A candidate for the next token. */
export interface NextToken extends ListedToken {
  readonly probability: number;
  readonly logit: number;
}

/** Scores each row of logits [batch, 1, d_vocab]: the `count` most probable tokens, and those of `asked`. */
export async function nextTokens(
  model: HookedTransformer,
  logits: Tensor,
  count: number,
  asked: readonly number[] = [],
): Promise<{ best: NextToken[]; asked: NextToken[] }[]> {
  using rows = logits.reshape([-1, model.cfg.dVocab]);
  const scored = await scoreLogits(new ModelClient("nextTokens", model), rows, {
    topK: count,
    targets: asked,
    signal: undefined,
    name: (row) => `row ${row}`,
  });
  const next = ({ token, logit, logprob }: ScoredRow["top"][number]): NextToken => ({
    ...listedToken(model.tokenizer, token),
    probability: Math.exp(logprob),
    logit,
  });
  return scored.map(({ top, targets }) => ({ best: top.map(next), asked: targets.map(next) }));
}

/** The `count` tokens whose probability rises and falls most from row `from` of the logits to row `to`. */
export async function mostChanged(
  logits: Tensor,
  { from, to, count }: { readonly from: number; readonly to: number; readonly count: number },
): Promise<{ up: number[]; down: number[] }> {
  using change = tidy(() => {
    const p = logits.to("float32").softmax(-1);
    const row = (at: number) => p.select(0, at).reshape([-1]);
    return row(to).sub(row(from));
  });
  const highest = async (of: Tensor) => {
    using ids = tidy(() => of.topk(count).indices);
    return Array.from(await ids.read("int32"));
  };
  using fall = change.neg();
  return { up: await highest(change), down: await highest(fall) };
}
