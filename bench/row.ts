/** One thing that is measured: `run` is timed, everything else is not. */
export interface Row {
  readonly id: string;
  readonly what: string;
  /** Work in one `run`, for a rate: e.g. {count: 512, of: "tokens"}. */
  readonly work: { readonly count: number; readonly of: string };
  readonly open: () => Promise<Opened>;
}

export interface Opened {
  readonly run: () => Promise<void>;
  readonly close: () => Promise<void> | void;
}
