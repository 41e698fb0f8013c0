import { argument } from "../errors/check-options.js";
import type { Tensor } from "../tensor/index.js";
import { isTensor, originOf } from "../tensor/internal.js";

/**
 * Where each row's real tokens lie. Positions count a row's real tokens, negative from its end;
 * columns count padding too. Real tokens are contiguous (left or right padding).
 */
export class RowLayout {
  readonly batch: number;
  readonly pos: number;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;

  /** Without a mask every column is real. */
  constructor(batch: number, pos: number, mask?: Uint8Array) {
    this.batch = batch;
    this.pos = pos;
    this.#starts = new Int32Array(batch);
    this.#lengths = new Int32Array(batch).fill(pos);
    if (mask === undefined) return;
    for (let row = 0; row < batch; row++) {
      const cells = mask.subarray(row * pos, (row + 1) * pos);
      const first = cells.indexOf(1);
      this.#starts[row] = Math.max(first, 0);
      this.#lengths[row] = first < 0 ? 0 : cells.lastIndexOf(1) - first + 1;
    }
  }

  /** Real tokens of a row. */
  length(row: number): number {
    return this.#lengths[row] ?? 0;
  }

  /** Checks a row index; negative ones are refused, as a batch has no end to count from. */
  row(what: string, row: number): number {
    if (!Number.isInteger(row) || row < 0 || row >= this.batch) {
      throw argument(what, `an integer in [0, ${this.batch})`, "batch", row);
    }
    return row;
  }

  /** The column of a position in a row; ARGUMENT when the row has no such token. */
  column(what: string, row: number, position: number): number {
    const length = this.length(row);
    const index = position < 0 ? position + length : position;
    if (!Number.isInteger(position) || index < 0 || index >= length) {
      const range = length === 0 ? "none (the row is empty)" : `one of [-${length}, ${length})`;
      throw argument(what, range, `a position in row ${row}`, position, { batch: row, length });
    }
    return (this.#starts[row] ?? 0) + index;
  }

  /** The position of a column, undefined where it is padding. */
  position(row: number, column: number): number | undefined {
    const index = column - (this.#starts[row] ?? 0);
    return index >= 0 && index < this.length(row) ? index : undefined;
  }

  /** Flattened cells (row · pos + column) of the given positions in the given rows, ascending. */
  cells(
    what: string,
    positions: number | readonly number[] | undefined,
    batch: number | readonly number[] | undefined,
  ): Int32Array {
    const rows =
      batch === undefined
        ? Array.from({ length: this.batch }, (_, row) => row)
        : [batch].flat().map((row) => this.row(what, row));
    const cells = new Set<number>();
    for (const row of rows) {
      const wanted =
        positions === undefined
          ? Array.from({ length: this.length(row) }, (_, i) => i)
          : [positions].flat();
      for (const position of wanted) cells.add(row * this.pos + this.column(what, row, position));
    }
    return Int32Array.from(cells).sort();
  }
}

/** The mask of the padded run that an activation [batch, pos, ..] is known to come from. */
export function rowMaskOf(activation: Tensor): Uint8Array | undefined {
  if (!isTensor(activation)) return undefined; // refused by name a moment later
  const mask = originOf(activation)?.mask;
  const [batch = 0, pos = 0] = activation.shape;
  return mask?.length === batch * pos ? mask : undefined;
}
