import { GemlensError } from "../errors/index.js";
import type { HookedTransformer } from "../model/index.js";
import type { Tensor } from "../tensor/index.js";
import { type ListedToken, listedToken } from "./shown-tokens.js";

/** A token that may come next. */
export interface NextToken extends ListedToken {
  readonly probability: number;
  readonly logit: number;
}

/** The `count` most probable tokens of each row of logits [batch, 1, d_vocab], and those asked for. */
export async function nextTokens(
  model: HookedTransformer,
  logits: Tensor,
  count: number,
  asked: readonly number[] = [],
): Promise<{ best: NextToken[]; asked: NextToken[] }[]> {
  using wide = logits.to("float32");
  using probabilities = wide.softmax(-1);
  const [p, l] = [await probabilities.read("float32"), await wide.read("float32")];
  const { dVocab } = model.cfg;
  const batch = logits.shape[0] ?? 0;
  return Array.from({ length: batch }, (_, row) => {
    const own = p.subarray(row * dVocab, (row + 1) * dVocab);
    const token = (id: number): NextToken => ({
      ...listedToken(model.tokenizer, id),
      probability: own[id] as number,
      logit: l[row * dVocab + id] as number,
    });
    return { best: strongest(own, count).map(token), asked: asked.map(token) };
  });
}

/** The places of the `count` largest numbers, the largest first. */
export function strongest(values: Float32Array, count: number): number[] {
  if (values.some(Number.isNaN)) {
    throw new GemlensError(
      "ARGUMENT",
      "expected finite logits to put tokens in order, got NaN (not finite)",
    );
  }
  const best: number[] = [];
  for (const [at, value] of values.entries()) {
    const last = best.at(-1);
    if (best.length === count && last !== undefined && value <= (values[last] as number)) continue;
    const place = best.findIndex((other) => (values[other] as number) < value);
    best.splice(place < 0 ? best.length : place, 0, at);
    if (best.length > count) best.pop();
  }
  return best;
}
