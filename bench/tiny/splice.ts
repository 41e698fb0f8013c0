import {
  type Hook,
  type HookedTransformer,
  hook,
  type RunOptions,
  where,
} from "../../lib/index.js";
import type { Batch } from "./corpus.js";

/** Mean next-token loss in nats, with options made per batch. */
export async function meanLoss(
  model: HookedTransformer,
  batches: readonly Batch[],
  optionsFor: (batch: Batch) => Pick<RunOptions, "hooks" | "coders"> = () => ({}),
): Promise<number> {
  let nats = 0;
  let count = 0;
  for (const batch of batches) {
    nats += (await model.loss(batch.tokens, optionsFor(batch))) * batch.predicted;
    count += batch.predicted;
  }
  return nats / count;
}

/** Zeros in a hook's tensor; `<bos>` and padding keep their values. */
export function zeroHook(name: string, batch: Batch): Hook {
  return hook(name, (act) => where(batch.keep, 0, act));
}
