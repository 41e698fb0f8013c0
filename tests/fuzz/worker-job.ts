import type { Verdict } from "./judge.js";
import type { Format } from "./samples.js";

/** What a worker is to do. */
export interface Job {
  readonly format: Format;
  readonly seed: number;
  readonly from: number;
  /** Stops before this index, or after so much processor time. */
  readonly to: number;
  readonly cpuSeconds: number;
  readonly nativeShare: number;
  /** An input that takes more processor time is a finding. */
  readonly slowestMs: number;
  /** A saved finding to open instead. */
  readonly replay?: string;
  /** Where the index at hand is written, 8 bytes. */
  readonly status: string;
}

export type Message =
  | { readonly type: "problem"; readonly index: number; readonly verdict: Verdict }
  | { readonly type: "counts"; readonly next: number; readonly outcomes: Record<string, number> };

/** Processor time that an input may take, unless told otherwise: milliseconds. */
export const slowestInput = 2000;

/** Exit code of a worker that failed by itself, and not on an input. */
export const workerFailed = 70;
