import { type HookedTransformer, type Tensor, tensor, tidy } from "../../lib/index.js";
import type { Loaded } from "./coders.js";
import type { Batch } from "./corpus.js";

/** Sums over tokens from which L0, FVU and dead features follow. */
export class Statistics {
  tokens = 0;
  #active = 0;
  #error = 0;
  #square = 0;
  #sum: Float64Array | undefined;
  /** Times each feature fired, and its largest activation. */
  readonly fired: Float64Array;
  readonly largest: Float64Array;

  constructor(dSae: number) {
    this.fired = new Float64Array(dSae);
    this.largest = new Float64Array(dSae);
  }

  /** Mean features per token. */
  get l0(): number {
    return this.#active / this.tokens;
  }

  /** Σ|y − ŷ|² / Σ|y − mean y|². */
  get fvu(): number {
    const squares = Array.from(this.#sum ?? [], (x) => x * x);
    const mean = squares.reduce((total, x) => total + x, 0) / this.tokens;
    return this.#error / (this.#square - mean);
  }

  get dead(): number {
    return this.fired.filter((count) => count === 0).length / this.fired.length;
  }

  /** `target` and `output` [kept, d]; the CSR arrays cover all rows of the batch. */
  add(
    batch: Batch,
    target: Tensor,
    output: Tensor,
    acts: { indptr: Int32Array; indices: Int32Array; values: Float32Array },
  ): void {
    this.tokens += batch.kept.length;
    for (const row of batch.kept) {
      for (let j = acts.indptr[row] as number; j < (acts.indptr[row + 1] as number); j++) {
        const id = acts.indices[j] as number;
        this.#active++;
        this.fired[id] = (this.fired[id] as number) + 1;
        this.largest[id] = Math.max(this.largest[id] as number, acts.values[j] as number);
      }
    }
    const y = target.to("float64");
    const error = y.sub(output.to("float64"));
    this.#error += error.pow(2).sum().item() as number;
    this.#square += y.pow(2).sum().item() as number;
    const sum = y.sum({ dim: 0 }).readSync() as Float64Array;
    this.#sum = this.#sum?.map((x, i) => x + (sum[i] as number)) ?? sum;
  }
}

/** Rows of a hook's tensor that count, [kept, d]. */
export function keptRows(x: Tensor, batch: Batch, rows: Tensor): Tensor {
  const positions = batch.tokens.ids.length;
  return x.reshape([positions, x.size / positions]).index(0, rows);
}

/** What a coder rebuilds. */
export function targetHook({ coder }: Loaded): string {
  return coder.cfg.hookNameOut;
}

export type Visitor = (
  batch: Batch,
  loaded: Loaded,
  acts: { indptr: Int32Array; indices: Int32Array; values: Float32Array },
) => void;

/** Reads every batch through every coder in one run each. */
export async function gather(
  model: HookedTransformer,
  coders: readonly Loaded[],
  batches: readonly Batch[],
  visit: Visitor,
): Promise<Map<Loaded, Statistics>> {
  const out = new Map(coders.map((entry) => [entry, new Statistics(entry.coder.cfg.dSae)]));
  const names = [...new Set(coders.map(targetHook))];
  for (const batch of batches) {
    await tidy(async () => {
      const run = await model.runWithCache(batch.tokens, {
        names,
        features: coders.map(({ coder }) => coder),
        logits: false,
      });
      const rows = tensor(batch.kept);
      for (const entry of coders) {
        const features = run.features(entry.coder);
        const acts = await features.read();
        const target = keptRows(run.cache.get(targetHook(entry)), batch, rows);
        const output = keptRows(await entry.coder.decode(features), batch, rows);
        (out.get(entry) as Statistics).add(batch, target, output, acts);
        visit(batch, entry, acts);
      }
    });
  }
  return out;
}
