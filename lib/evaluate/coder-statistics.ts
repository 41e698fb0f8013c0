import type { SparseFeatures } from "../coder/active-features.js";
import { task } from "../native/call.js";
import { handleOf } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";

/** Sums over tokens from which a coder's statistics are computed, in float64. */
export class CoderStatistics {
  tokens = 0;
  /** The number of tokens on which each feature fired. */
  readonly fired: Float64Array;
  #active = 0;
  #error = 0;
  #square = 0;
  #cosine = 0;
  #ratio = 0;
  #sum: Float64Array;

  constructor(dSae: number, dOut: number) {
    this.fired = new Float64Array(dSae);
    this.#sum = new Float64Array(dOut);
  }

  /** Mean number of active features. */
  get l0(): number {
    return this.#active / this.tokens;
  }

  /** Mean over tokens of Σ_d (x − x̂)². */
  get mse(): number {
    return this.#error / this.tokens;
  }

  /** Σ|x − x̂|² / Σ|x − mean x|². */
  get fvu(): number {
    let mean = 0;
    for (const sum of this.#sum) mean += sum * sum;
    return this.#error / (this.#square - mean / this.tokens);
  }

  /** Mean over tokens of x·x̂ / (|x|·|x̂|). */
  get cosine(): number {
    return this.#cosine / this.tokens;
  }

  /** Mean over tokens of |x̂| / |x|. */
  get l2Ratio(): number {
    return this.#ratio / this.tokens;
  }

  /** The share of tokens that each feature fires on. */
  get density(): Float32Array {
    return Float32Array.from(this.fired, (count) => count / this.tokens);
  }

  /** Adds the features of the counted rows of a run. */
  addFeatures({ indptr, indices }: SparseFeatures, counted: Int32Array): void {
    for (const row of counted) {
      const active = indices.subarray(indptr[row], indptr[row + 1]);
      this.#active += active.length;
      for (const feature of active) {
        this.fired[feature] = (this.fired[feature] as number) + 1;
      }
    }
  }

  /** Adds tokens. */
  addRebuilt({ error, square, made, dot, sums }: RebuiltRows): void {
    for (const [d, sum] of sums.entries()) this.#sum[d] = (this.#sum[d] as number) + sum;
    for (const [row, own] of square.entries()) {
      const length = Math.sqrt(own);
      const lengthMade = Math.sqrt(made[row] as number);
      this.#error += error[row] as number;
      this.#square += own;
      this.#ratio += lengthMade / length;
      // A reconstruction of 0 has no direction.
      this.#cosine += lengthMade === 0 ? 0 : (dot[row] as number) / (length * lengthMade);
    }
    this.tokens += square.length;
  }
}

/** Sums over tokens' true outputs x and their reconstructions x̂. */
export interface RebuiltRows {
  /** Σ_d (x − x̂)² of each token. */
  readonly error: Float64Array;
  /** Σ_d x² of each token. */
  readonly square: Float64Array;
  /** Σ_d x̂² of each token. */
  readonly made: Float64Array;
  /** x·x̂ of each token. */
  readonly dot: Float64Array;
  /** Σ x over tokens, for each dimension. */
  readonly sums: Float64Array;
}

/** `x` and `rebuilt` are [tokens, width]. */
export function rebuiltRows(
  x: Tensor,
  rebuilt: Tensor,
  signal: AbortSignal | undefined,
): Promise<RebuiltRows> {
  const caller = "statistics";
  return task(
    caller,
    (addon, ctx) => addon.rebuiltStatistics(handleOf(x, caller), handleOf(rebuilt, caller), ctx),
    { signal },
  );
}

/** The rows of several outputs of the same tokens, as of one output with all their dimensions. */
export function joined(sites: readonly RebuiltRows[]): RebuiltRows {
  const [first] = sites;
  if (sites.length === 1 && first !== undefined) return first;
  const added = (key: "error" | "square" | "made" | "dot") =>
    Float64Array.from({ length: first?.error.length ?? 0 }, (_, row) =>
      sites.reduce((sum, site) => sum + (site[key][row] as number), 0),
    );
  return {
    error: added("error"),
    square: added("square"),
    made: added("made"),
    dot: added("dot"),
    sums: Float64Array.from(sites.flatMap(({ sums }) => [...sums])),
  };
}
