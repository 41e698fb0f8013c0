import type { Peers } from "./peers.js";

/** The device of the work, for all sides. */
export type Device = "cpu" | "cuda";

/** One way of doing a row's work. */
export interface Side {
  /** "gemlens", or the name of the peer. */
  readonly name: string;
  /** Does the work once; a side that times itself (another process, say) returns milliseconds. */
  readonly run: () => Promise<number | void>;
  /** The output of one run: a side with another output is refused, not timed. */
  readonly output?: () => Promise<Float32Array>;
}

export interface Opened {
  /** Ours first; every round runs all of them, one after the other. */
  readonly sides: readonly Side[];
  /** The lower bound of the work's time here, measured in the same rounds. */
  readonly bound?: Side | undefined;
  /** The most that outputs may differ, max|a − b| / max|b|. */
  readonly tolerance?: number;
  readonly close: () => Promise<void> | void;
}

/** One measurement: only `run` is timed. */
export interface Row {
  readonly id: string;
  readonly what: string;
  /** Work in one `run`, for a rate: e.g. {count: 512, of: "tokens"}. */
  readonly work: { readonly count: number; readonly of: string };
  /** The only device to measure on; missing: any device. */
  readonly only?: Device;
  /** Skipped by --quick. */
  readonly slow?: boolean;
  /** Rounds measured even with --quick. */
  readonly leastRounds?: number;
  /**
   * The other side is ours without one part; the report gives that part's cost in microseconds per
   * unit of work.
   */
  readonly cost?: boolean;
  readonly open: (peers: Peers) => Promise<Opened>;
}

/** Rows that share objects, which are opened once for all of them. */
export interface Group {
  readonly rows: readonly Row[];
  /** Runs before the first requested row; the function it returns runs after the last. */
  readonly open?: (peers: Peers) => Promise<() => Promise<void>>;
}
