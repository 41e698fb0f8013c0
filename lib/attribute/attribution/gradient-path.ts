import type { Attribution } from "./attributions.js";

/**
 * The path of one coder's features from 0 to their activations, with the rest of the run unchanged.
 */
export interface Path extends Disposable {
  /** The target with all features at these shares of their activations. */
  values(shares: readonly number[]): Promise<Float64Array>;
  /** Activation times the gradient's mean over the midpoints of `steps` pieces. */
  effects(steps: number, advance: (rows: number) => void): Promise<Attribution[]>;
}

/** The midpoints of `steps` pieces of [0, 1], in batches of `batchSize`. */
export function* midpoints(steps: number, batchSize: number): Generator<readonly number[]> {
  for (let at = 0; at < steps; at += batchSize) {
    const count = Math.min(batchSize, steps - at);
    yield Array.from({ length: count }, (_, i) => (at + i + 0.5) / steps);
  }
}
