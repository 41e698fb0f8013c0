/** Who fetches something, as errors have it. */
export interface Caller {
  /** Opens each message: "setup". */
  readonly name: string;
  /** What helps besides making room on a full disk: "set GEMLENS_CACHE to a larger disk". */
  readonly moreRoom: string;
  /** How to get by without Node's fetch, where it ignores the proxy: "install pip". */
  readonly insteadOfFetch?: string;
}
