import {
  type Hook,
  type HookedTransformer,
  hook,
  SAE,
  type Tensor,
  where,
} from "../../lib/index.js";
import type { Loaded } from "./coders.js";
import type { Batch } from "./corpus.js";

/** Mean next-token loss in nats with hooks made per batch. */
export async function meanLoss(
  model: HookedTransformer,
  batches: readonly Batch[],
  hooksFor: (batch: Batch) => Hook[] = () => [],
): Promise<number> {
  let nats = 0;
  let count = 0;
  for (const batch of batches) {
    nats += (await model.loss(batch.tokens, { hooks: hooksFor(batch) })) * batch.predicted;
    count += batch.predicted;
  }
  return nats / count;
}

/** `<bos>` and padding keep their activation. */
function replaceKept(batch: Batch, act: Tensor, value: Tensor | number): Tensor {
  const keep = act.ndim === 4 ? batch.keep.unsqueeze(-1) : batch.keep;
  return where(keep, value, act);
}

/** Replaces a coder's output tensor by its bare reconstruction, no error term. */
export function spliceHooks({ coder }: Loaded, batch: Batch): Hook[] {
  if (coder instanceof SAE) {
    return [
      hook(coder.cfg.hookName, async (act) => replaceKept(batch, act, await coder.forward(act))),
    ];
  }
  let input: Tensor | undefined;
  return [
    hook(coder.cfg.hookName, (act) => {
      input = act.keep();
    }),
    hook(coder.cfg.hookNameOut, async (act) => {
      if (input === undefined) throw new Error(`${coder.cfg.hookName} did not fire`);
      using read = input;
      return replaceKept(batch, act, await coder.forward(read));
    }),
  ];
}

export function zeroHooks(name: string, batch: Batch): Hook[] {
  return [hook(name, (act) => replaceKept(batch, act, 0))];
}
