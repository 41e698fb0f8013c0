import type { Verdict } from "./judge.js";
import type { Format } from "./samples.js";

/** Options for a worker. */
export interface Job {
  readonly format: Format;
  readonly seed: number;
  readonly from: number;
  /** Stops before this index, or after this much processor time. */
  readonly to: number;
  readonly cpuSeconds: number;
  readonly nativeShare: number;
  /** An input that takes more processor time is a finding. */
  readonly slowestMs: number;
  /** A saved finding to open instead. */
  readonly replay?: string;
  /** The file that holds the current index, 8 bytes. */
  readonly status: string;
}

export type Message =
  | { readonly type: "problem"; readonly index: number; readonly verdict: Verdict }
  | { readonly type: "counts"; readonly next: number; readonly outcomes: Record<string, number> };

/** Processor time that an input may take by default: milliseconds. */
export const slowestInput = 2000;

/** Exit code of a worker that failed on its own, not on an input. */
export const workerFailed = 70;
