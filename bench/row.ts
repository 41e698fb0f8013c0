/** One way of doing a row's work. */
export interface Side {
  /** "gemlens", or what it is compared with. */
  readonly name: string;
  /** Does the work once; a side that times itself (another process) returns milliseconds. */
  readonly run: () => Promise<number | void>;
}

export interface Opened {
  /** Ours first; every round runs all of them, one after the other. */
  readonly sides: readonly Side[];
  readonly close: () => Promise<void> | void;
}

/** One thing that is measured: `run` is timed, everything else is not. */
export interface Row {
  readonly id: string;
  readonly what: string;
  /** Work in one `run`, for a rate: e.g. {count: 512, of: "tokens"}. */
  readonly work: { readonly count: number; readonly of: string };
  /** Rounds measured even with --quick. */
  readonly leastRounds?: number;
  /**
   * The other side is ours without something: what that something costs is told, per unit of work
   * in microseconds.
   */
  readonly cost?: boolean;
  readonly open: () => Promise<Opened>;
}
