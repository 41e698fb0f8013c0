import type { Attribution } from "./attributions.js";

/** The way of one coder's features from 0 to as they are, the rest of the run as it is. */
export interface Path extends Disposable {
  /** The target with all features at these shares of their activations. */
  values(shares: readonly number[]): Promise<Float64Array>;
  /** Activation times the gradient's mean over the midpoints of `steps` pieces. */
  effects(steps: number, advance: (rows: number) => void): Promise<Attribution[]>;
}

/** The midpoints of `steps` pieces of [0, 1], some at a time. */
export function* midpoints(steps: number, batchSize: number): Generator<readonly number[]> {
  for (let at = 0; at < steps; at += batchSize) {
    const count = Math.min(batchSize, steps - at);
    yield Array.from({ length: count }, (_, i) => (at + i + 0.5) / steps);
  }
}
