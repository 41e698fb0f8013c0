/** The operation that fetches, as its error messages name it. */
export interface Caller {
  /** Opens each message: "setup". */
  readonly name: string;
  /** The alternative to freeing space on a full disk: "set GEMLENS_CACHE to a larger disk". */
  readonly moreRoom: string;
  /** The alternative to Node's fetch if that ignores the proxy: "install pip". */
  readonly insteadOfFetch?: string;
}
