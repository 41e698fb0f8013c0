/** The progress of a fetch: the current step, and its bytes if it transfers any. */
export interface FetchProgress {
  readonly step: string;
  readonly done?: number;
  readonly total?: number | undefined;
}
