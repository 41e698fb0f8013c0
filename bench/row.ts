import type { Peers } from "./peers.js";

/** Where the work is done, ours and everybody's. */
export type Device = "cpu" | "cuda";

/** One way of doing a row's work. */
export interface Side {
  /** "gemlens", or what it is compared with. */
  readonly name: string;
  /** Does the work once; a side that times itself (another process, say) returns milliseconds. */
  readonly run: () => Promise<number | void>;
  /** What the work gives, once: a side whose output is not ours is refused, not timed. */
  readonly output?: () => Promise<Float32Array>;
}

export interface Opened {
  /** Ours first; every round runs all of them, one after the other. */
  readonly sides: readonly Side[];
  /** The least that the work can take here, measured in the same rounds. */
  readonly bound?: Side | undefined;
  /** The most that outputs may differ, max|a − b| / max|b|. */
  readonly tolerance?: number;
  readonly close: () => Promise<void> | void;
}

/** One thing that is measured: `run` is timed, everything else is not. */
export interface Row {
  readonly id: string;
  readonly what: string;
  /** Work in one `run`, for a rate: e.g. {count: 512, of: "tokens"}. */
  readonly work: { readonly count: number; readonly of: string };
  /** Where alone it is measured; absent: wherever asked. */
  readonly only?: Device;
  /** Left out of --quick. */
  readonly slow?: boolean;
  /** Rounds measured even with --quick. */
  readonly leastRounds?: number;
  /**
   * The other side is ours without something: what that something costs is told, per unit of work
   * in microseconds.
   */
  readonly cost?: boolean;
  readonly open: (peers: Peers) => Promise<Opened>;
}

/** Rows over the same things, which are opened once for all of them. */
export interface Group {
  readonly rows: readonly Row[];
  /** Before the first of its rows that is wanted; what it returns closes after the last. */
  readonly open?: (peers: Peers) => Promise<() => Promise<void>>;
}
