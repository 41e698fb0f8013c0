/** How a fetch is going: what is being done, and bytes where there are any. */
export interface FetchProgress {
  readonly step: string;
  readonly done?: number;
  readonly total?: number | undefined;
}
