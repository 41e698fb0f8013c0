import type { SparseFeatures } from "./active-features.js";

type Rows = Omit<SparseFeatures, "shape">;

/** The compressed rows on the host: copied once for all that only look, until `forget`. */
export class HostCopy {
  readonly #copyOut: (caller: string) => Promise<Rows>;
  #rows: Promise<Rows> | undefined;

  constructor(copyOut: (caller: string) => Promise<Rows>) {
    this.#copyOut = copyOut;
  }

  /** Rows to look at, shared by all calls. */
  view(caller: string): Promise<Rows> {
    if (this.#rows !== undefined) return this.#rows;
    const rows = this.#copyOut(caller);
    this.#rows = rows;
    rows.catch(() => {
      if (this.#rows === rows) this.#rows = undefined;
    });
    return rows;
  }

  /** Rows that the caller may write to. */
  async own(caller: string): Promise<Rows> {
    if (this.#rows === undefined) return this.#copyOut(caller);
    const { indptr, indices, values } = await this.#rows;
    return { indptr: indptr.slice(), indices: indices.slice(), values: values.slice() };
  }

  /** The activations have changed, or are gone. */
  forget(): void {
    this.#rows = undefined;
  }
}
