import type { CorpusBatch } from "../corpus/corpus.js";
import type { ModelClient } from "../model/model-client.js";
import type { Tensor } from "../tensor/tensor.js";

/** The runs of a batch, in the order of `ReplacedBatch.normed`. */
const runs = ["original", "spliced", "zero", "mean"] as const;
type RunName = (typeof runs)[number];

/** Sums of losses, and of divergences from the unchanged model, over the counted tokens. */
export class ReplacedLosses {
  /** The number of tokens predicted from counted tokens. */
  predicted = 0;
  readonly #client: ModelClient;
  readonly #losses = new Float64Array(runs.length);
  readonly #divergences = new Float64Array(runs.length);
  #counted = 0;

  constructor(client: ModelClient) {
    this.#client = client;
  }

  /** Mean next-token losses, in nats. */
  get losses(): Record<RunName, number> {
    return means(this.#losses, this.predicted);
  }

  /** Mean KL(model ‖ run), in nats. */
  get divergences(): Record<Exclude<RunName, "original">, number> {
    const { original: _, ...others } = means(this.#divergences, this.#counted);
    return others;
  }

  async add(
    { next, counted, predicting }: CorpusBatch,
    normed: readonly Tensor[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { loss, kl } = await this.#client.compare(normed, next, { signal });
    for (let run = 0; run < runs.length; run++) {
      const first = run * next.length;
      addTo(this.#losses, run, loss, predicting, first);
      addTo(this.#divergences, run, kl, counted, first);
    }
    this.predicted += predicting.length;
    this.#counted += counted.length;
  }
}

function addTo(
  sums: Float64Array,
  run: number,
  values: Float32Array,
  cells: Int32Array,
  first: number,
): void {
  for (const cell of cells) sums[run] = (sums[run] as number) + (values[first + cell] as number);
}

function means(sums: Float64Array, count: number): Record<RunName, number> {
  const entries = runs.map((run, i) => [run, (sums[i] as number) / count]);
  return Object.fromEntries(entries) as Record<RunName, number>;
}
