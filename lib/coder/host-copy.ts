import type { SparseFeatures } from "./active-features.js";

type Rows = Omit<SparseFeatures, "shape">;

/** The compressed rows on the host, copied once and shared by all readers until `forget`. */
export class HostCopy {
  readonly #copyOut: (caller: string) => Promise<Rows>;
  #rows: Promise<Rows> | undefined;

  constructor(copyOut: (caller: string) => Promise<Rows>) {
    this.#copyOut = copyOut;
  }

  /** Read-only rows, shared by all calls. */
  view(caller: string): Promise<Rows> {
    if (this.#rows !== undefined) return this.#rows;
    const rows = this.#copyOut(caller);
    this.#rows = rows;
    rows.catch(() => {
      if (this.#rows === rows) this.#rows = undefined;
    });
    return rows;
  }

  /** A copy that the caller may write to. */
  async own(caller: string): Promise<Rows> {
    if (this.#rows === undefined) return this.#copyOut(caller);
    const { indptr, indices, values } = await this.#rows;
    return { indptr: indptr.slice(), indices: indices.slice(), values: values.slice() };
  }

  /** Drops the copy because the activations changed or were disposed. */
  forget(): void {
    this.#rows = undefined;
  }
}
