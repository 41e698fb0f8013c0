import { argument } from "../errors/check-options.js";

/**
 * The columns of each row's real tokens. Positions count a row's real tokens, negative from its
 * end; columns count padding too. Runs have padding on the left or right. A tensor that was sliced
 * and concatenated may also have padding between real tokens.
 */
export class RowLayout {
  readonly batch: number;
  readonly pos: number;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  /** The columns of the rows with padding between their tokens. */
  readonly #gapped = new Map<number, Int32Array>();

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
      const span = first < 0 ? 0 : cells.lastIndexOf(1) - first + 1;
      const columns = Int32Array.from(cells.keys()).filter((column) => cells[column] === 1);
      this.#starts[row] = Math.max(first, 0);
      this.#lengths[row] = columns.length;
      if (columns.length < span) this.#gapped.set(row, columns);
    }
  }

  /** The number of real tokens of a row. */
  length(row: number): number {
    return this.#lengths[row] ?? 0;
  }

  /** Whether a row has padding between its tokens. */
  hasGaps(row: number): boolean {
    return this.#gapped.has(row);
  }

  /**
   * Checks a row index. ARGUMENT if it is out of range, or negative: rows count only from the
   * start.
   */
  row(caller: string, row: number): number {
    if (!Number.isInteger(row) || row < 0 || row >= this.batch) {
      throw argument(caller, `an integer in [0, ${this.batch})`, "batch", row);
    }
    return row;
  }

  /** The column of a position in a row. ARGUMENT if the position is out of range. */
  column(caller: string, row: number, position: number): number {
    const length = this.length(row);
    const index = position < 0 ? position + length : position;
    if (!Number.isInteger(position) || index < 0 || index >= length) {
      const range = length === 0 ? "none (the row is empty)" : `one of [-${length}, ${length})`;
      throw argument(caller, range, `a position in row ${row}`, position, { batch: row, length });
    }
    return this.#gapped.get(row)?.[index] ?? (this.#starts[row] ?? 0) + index;
  }

  /** The columns of these positions in every row, row by row. */
  columns(caller: string, positions: readonly number[]): Int32Array {
    if (!Array.isArray(positions) || positions.length === 0) {
      throw argument(caller, "a list of at least one position", "positions", String(positions));
    }
    const columns = new Int32Array(this.batch * positions.length);
    for (let row = 0; row < this.batch; row++) {
      for (const [i, position] of positions.entries()) {
        columns[row * positions.length + i] = this.column(caller, row, position);
      }
    }
    return columns;
  }

  /** The position of a column; undefined if the column is padding. */
  position(row: number, column: number): number | undefined {
    const gapped = this.#gapped.get(row)?.indexOf(column);
    const index = gapped ?? column - (this.#starts[row] ?? 0);
    return index >= 0 && index < this.length(row) ? index : undefined;
  }

  /** Flattened cells (row · pos + column) of the given positions in the given rows, ascending. */
  cells(
    caller: string,
    positions: number | readonly number[] | undefined,
    batch: number | readonly number[] | undefined,
  ): Int32Array {
    const rows =
      batch === undefined
        ? Array.from({ length: this.batch }, (_, row) => row)
        : [batch].flat().map((row) => this.row(caller, row));
    const cells = new Set<number>();
    for (const row of rows) {
      const wanted =
        positions === undefined
          ? Array.from({ length: this.length(row) }, (_, i) => i)
          : [positions].flat();
      for (const position of wanted) cells.add(row * this.pos + this.column(caller, row, position));
    }
    return Int32Array.from(cells).sort();
  }
}
