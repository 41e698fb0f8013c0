import type { HookedTransformer } from "../../lib/index.js";
import type { Loaded } from "./coders.js";
import type { Batch } from "./corpus.js";

/** How often each feature of a coder fired, and its largest activation. */
export interface Firing {
  readonly fired: Float64Array;
  readonly largest: Float64Array;
}

interface Rows {
  readonly indptr: Int32Array;
  readonly indices: Int32Array;
  readonly values: Float32Array;
}

export type Visitor = (batch: Batch, loaded: Loaded, acts: Rows) => void;

/** Encodes every batch with every coder in one run each. */
export async function gather(
  model: HookedTransformer,
  coders: readonly Loaded[],
  batches: readonly Batch[],
  visit: Visitor,
): Promise<Map<Loaded, Firing>> {
  const empty = ({ coder }: Loaded) => new Float64Array(coder.cfg.dSae);
  const out = new Map<Loaded, Firing>(
    coders.map((entry) => [entry, { fired: empty(entry), largest: empty(entry) }]),
  );
  for (const batch of batches) {
    using run = await model.runWithCache(batch.tokens, {
      names: [],
      features: coders.map(({ coder }) => coder),
      logits: false,
    });
    for (const [entry, firing] of out) {
      const acts = await run.features(entry.coder).read();
      add(firing, batch, acts);
      visit(batch, entry, acts);
    }
  }
  return out;
}

function add({ fired, largest }: Firing, batch: Batch, acts: Rows): void {
  for (const row of batch.kept) {
    for (let i = acts.indptr[row] as number; i < (acts.indptr[row + 1] as number); i++) {
      const feature = acts.indices[i] as number;
      fired[feature] = (fired[feature] as number) + 1;
      largest[feature] = Math.max(largest[feature] as number, acts.values[i] as number);
    }
  }
}
