/** The known facts about a tensor's rows: which are padding, and their tokens. */
export interface CellData {
  /** 1 for a real token; undefined: all are real. */
  readonly mask?: Uint8Array | undefined;
  /** The token of each; undefined: unknown. The value at padding is arbitrary. */
  readonly ids?: Int32Array | undefined;
  /** The special tokens of their model; present if `ids` is. */
  readonly special?: SpecialTokens | undefined;
}

/** Returns the special tokens of a model. Each model has one function, compared by identity. */
export type SpecialTokens = () => ReadonlySet<number>;

/** The distance in cells between neighbours along an axis, or the offset of each index. */
type Steps = number | ArrayLike<number>;

/**
 * One cell for each position of a tensor's first axes, whose sizes are `sizes`, in row-major order. Cells
 * are computed at first use, because most tensors of a hook are never encoded.
 */
export class RowCells {
  readonly sizes: readonly number[];
  #data: CellData | undefined;
  #compute: (() => CellData) | undefined;
  /** The source and steps of cells that `gather` made. */
  #origin: { readonly of: RowCells; readonly steps: readonly Steps[]; base: number } | undefined;

  constructor(sizes: readonly number[], data: CellData | (() => CellData)) {
    this.sizes = sizes;
    if (typeof data === "function") this.#compute = data;
    else this.#data = data;
  }

  get data(): CellData {
    this.#data ??= this.#compute?.() ?? {};
    this.#compute = undefined;
    return this.#data;
  }

  get count(): number {
    return sizeOf(this.sizes);
  }

  /** The distance in cells between neighbours along each axis. */
  get strides(): number[] {
    return this.sizes.map((_, axis) => sizeOf(this.sizes.slice(axis + 1)));
  }

  /** The same cells in the same order under other sizes. */
  sized(sizes: readonly number[]): RowCells {
    return sameSizes(sizes, this.sizes) ? this : new RowCells(sizes, () => this.data);
  }

  /** Gathers copies of these cells; the index of each is `base` plus a step along each axis. */
  gather(sizes: readonly number[], steps: readonly Steps[], base = 0): RowCells {
    const isSame =
      base === 0 && sizes.every((size, i) => size === 1 || steps[i] === sizeOf(sizes.slice(i + 1)));
    if (isSame && sizeOf(sizes) === this.count) return this.sized(sizes);
    const cells = new RowCells(sizes, () => {
      const { mask, ids, special } = this.data;
      if (mask === undefined && ids === undefined) return {};
      const from = flatIndex(sizes, steps, base);
      return {
        mask: mask && picked(mask, from, new Uint8Array(from.length)),
        ids: ids && picked(ids, from, new Int32Array(from.length)),
        special,
      };
    });
    cells.#origin = { of: this, steps, base };
    return cells;
  }

  /**
   * Splits gathered cells into those along the first `lead` axes and those along the others, if one of the
   * two groups of axes only repeats cells. Comparing cells then does not need the cells of all axes.
   */
  split(lead: number): { leading: RowCells; inner: RowCells } | undefined {
    if (this.#origin === undefined) return undefined;
    const { of, steps, base } = this.#origin;
    const stays = (from: number, to?: number) =>
      this.sizes.slice(from, to).every((size, i) => size === 1 || steps[from + i] === 0);
    if (!stays(0, lead) && !stays(lead)) return undefined;
    // An axis that repeats cells has nothing to compare.
    const others = steps.map((_, axis) => axis).filter((axis) => axis >= lead && steps[axis] !== 0);
    return {
      leading: of.gather(this.sizes.slice(0, lead), steps.slice(0, lead), base),
      inner: of.gather(
        others.map((axis) => this.sizes[axis] as number),
        others.map((axis) => steps[axis] as Steps),
        base,
      ),
    };
  }
}

/**
 * Combines cells of equal sizes: a cell is real if it is real in all of them, and has the token of those
 * in `named` if they agree.
 */
export function both(all: readonly RowCells[], named: readonly RowCells[] = all): RowCells {
  const first = all[0] as RowCells;
  if (all.every((cells) => cells === first) && named.includes(first)) return first;
  return new RowCells(first.sizes, () => {
    const masks = all.flatMap(({ data }) => data.mask ?? []);
    const isReal = (i: number) => Number(masks.every((mask) => mask[i] === 1));
    const mask = masks.length < 2 ? masks[0] : masks[0]?.map((_, i) => isReal(i));
    return { mask, ...commonTokens(named) };
  });
}

/** The cells of tensors joined along an axis; all cells of a part without cells are real. */
export function joined(
  parts: readonly (RowCells | undefined)[],
  partSizes: readonly (readonly number[])[],
  axis: number,
): RowCells {
  const sizes = [...(partSizes[0] ?? [])];
  sizes[axis] = partSizes.reduce((sum, part) => sum + (part[axis] as number), 0);
  return new RowCells(sizes, () => {
    const all = parts.map((part) => part?.data ?? {});
    const special = all[0]?.special;
    const known = all.every((data) => data.ids !== undefined && data.special === special);
    const hasMask = all.some(({ mask }) => mask !== undefined);
    const mask = hasMask ? new Uint8Array(sizeOf(sizes)).fill(1) : undefined;
    const ids = known ? new Int32Array(sizeOf(sizes)) : undefined;
    const blocks = partSizes.map((part) => sizeOf(part.slice(axis)));
    const outer = sizeOf(sizes.slice(0, axis));
    for (let i = 0, at = 0; i < outer; i++) {
      for (const [part, data] of all.entries()) {
        const block = blocks[part] as number;
        const [begin, end] = [i * block, (i + 1) * block];
        if (data.mask !== undefined) mask?.set(data.mask.subarray(begin, end), at);
        if (data.ids !== undefined) ids?.set(data.ids.subarray(begin, end), at);
        at += block;
      }
    }
    return { mask, ...(known && { ids, special }) };
  });
}

/**
 * The cells of the first `lead` axes, if they are equal along the other axes; undefined if a position of
 * these axes mixes several rows.
 */
export function collapsed(rows: RowCells, lead: number): RowCells | undefined {
  const { sizes } = rows;
  if (sizes.length <= lead) return rows;
  const parts = rows.split(lead);
  if (parts !== undefined)
    return isUniform(parts.inner, parts.inner.count) ? parts.leading : undefined;
  if (!isUniform(rows, sizeOf(sizes.slice(lead)))) return undefined;
  const kept = sizes.slice(0, lead);
  return rows.gather(
    kept,
    kept.map((_, axis) => rows.strides[axis] as number),
  );
}

/** Whether every `stretch` consecutive cells have one token and are all real or all padding. */
function isUniform({ data: { mask, ids } }: RowCells, stretch: number): boolean {
  const repeats = (cells: Uint8Array | Int32Array) => {
    for (let i = 0; i < cells.length; i++) if (cells[i] !== cells[i - (i % stretch)]) return false;
    return true;
  };
  return (mask === undefined || repeats(mask)) && (ids === undefined || repeats(ids));
}

export function sizeOf(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

export function sameSizes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function commonTokens(all: readonly RowCells[]): Pick<CellData, "ids" | "special"> {
  const [first, ...others] = all.map(({ data }) => data).filter(({ ids }) => ids !== undefined);
  const same = ({ ids, special }: CellData) =>
    special === first?.special &&
    (ids === first?.ids || ids?.every((id, i) => id === first?.ids?.[i]));
  return first !== undefined && others.every(same)
    ? { ids: first.ids, special: first.special }
    : {};
}

function flatIndex(sizes: readonly number[], steps: readonly Steps[], base: number): Int32Array {
  let cells = Int32Array.of(base);
  for (const [axis, size] of sizes.entries()) {
    const step = steps[axis] as Steps;
    const next = new Int32Array(cells.length * size);
    for (let i = 0, at = 0; i < cells.length; i++) {
      const cell = cells[i] as number;
      for (let j = 0; j < size; j++) {
        next[at++] = cell + (typeof step === "number" ? j * step : (step[j] as number));
      }
    }
    cells = next;
  }
  return cells;
}

function picked<Cells extends Uint8Array | Int32Array>(
  cells: Cells,
  from: Int32Array,
  into: Cells,
): Cells {
  for (let i = 0; i < from.length; i++) into[i] = cells[from[i] as number] as number;
  return into;
}
