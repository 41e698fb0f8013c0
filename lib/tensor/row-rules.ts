import type { Origin } from "./origin.js";
import { both, collapsed, joined, type RowCells, sizeOf } from "./row-cells.js";
import type { Tensor } from "./tensor.js";

/** One call of an operation. */
export interface Call {
  /** The tensor whose method it is, or the first argument of a free function. */
  readonly self: Tensor;
  /** All tensor operands, `self` first. */
  readonly tensors: readonly Tensor[];
  /** The arguments without `self`. */
  readonly given: readonly unknown[];
  readonly result: Tensor;
  readonly originOf: (tensor: Tensor) => Origin | undefined;
  readonly isTensor: (value: unknown) => value is Tensor;
}

/** Returns the rows of the result; undefined: unknown. */
export type RowRule = (call: Call) => RowCells | undefined;

export const same: RowRule = ({ self, originOf }) => originOf(self)?.rows;

/** Elementwise: a row is real if it is real in every operand. */
export const broadcast: RowRule = (call) => {
  const { tensors, result, originOf } = call;
  const found = tensors.flatMap((tensor) => {
    const rows = originOf(tensor)?.rows;
    return rows === undefined ? [] : [{ rows, by: result.ndim - tensor.ndim }];
  });
  return combined(found, result.shape);
};

/** The row-major order stays, so cells stay if some leading axes of the new shape cover the same rows. */
export const reshape: RowRule = ({ self, result, originOf }) => {
  const rows = originOf(self)?.rows;
  if (rows === undefined) return undefined;
  // If rows merge with the axes after them, each element gets a cell.
  for (let lead = rows.sizes.length; lead <= self.ndim; lead++) {
    const wide = spread(rows, shifted(rows, 0), self.shape, lead);
    const at = cutOf(result.shape, wide.count, lead);
    if (at !== undefined) return wide.sized(result.shape.slice(0, at));
  }
  return undefined;
};

export const permute: RowRule = ({ self, given, result, originOf }) =>
  reordered(originOf(self)?.rows, given[0] as readonly number[], self.ndim, result);

export const transpose: RowRule = ({ self, given, result, originOf }) => {
  const order = self.shape.map((_, axis) => axis);
  const [a, b] = given.map((dim) => axisOf(dim as number, self.ndim)) as [number, number];
  [order[a], order[b]] = [b, a];
  return reordered(originOf(self)?.rows, order, self.ndim, result);
};

export const slice: RowRule = (call) => {
  const [dim, start, , step = 1] = call.given as readonly number[];
  return chosen(call, dim as number, (size, count) => {
    const first = Math.min(
      Math.max((start as number) < 0 ? (start as number) + size : (start as number), 0),
      size,
    );
    return Int32Array.from({ length: count }, (_, i) => first + i * step);
  });
};

export const index: RowRule = (call) => {
  const [dim, indices] = call.given as readonly [number, unknown];
  const { self } = call;
  const rows = call.originOf(self)?.rows;
  if (rows === undefined || axisOf(dim, self.ndim) >= rows.sizes.length) return rows;
  if (!call.isTensor(indices)) return chosen(call, dim, () => indices as readonly number[]);
  // Reading indices waits for a GPU, which token ids without a mask are not worth.
  if (indices.device !== "cpu" && rows.data.mask === undefined) return undefined;
  const list = indices.readSync("int32");
  return chosen(call, dim, () => list);
};

export const select: RowRule = ({ self, given, originOf }) => {
  const rows = originOf(self)?.rows;
  if (rows === undefined) return undefined;
  const axis = axisOf(given[0] as number, self.ndim);
  if (axis >= rows.sizes.length) return rows;
  const [size, index] = [rows.sizes[axis] as number, given[1] as number];
  const base = (index < 0 ? index + size : index) * (rows.strides[axis] as number);
  return rows.gather(rows.sizes.toSpliced(axis, 1), rows.strides.toSpliced(axis, 1), base);
};

export const unsqueeze: RowRule = ({ self, given, originOf }) => {
  const rows = originOf(self)?.rows;
  if (rows === undefined) return undefined;
  const axis = axisOf(given[0] as number, self.ndim + 1);
  return axis > rows.sizes.length ? rows : rows.sized(rows.sizes.toSpliced(axis, 0, 1));
};

export const squeeze: RowRule = ({ self, given: [dim], originOf }) => {
  const rows = originOf(self)?.rows;
  if (rows === undefined) return undefined;
  const only = dim === undefined ? undefined : axisOf(dim as number, self.ndim);
  const goes = (size: number, axis: number) => size === 1 && (only === undefined || only === axis);
  return rows.sized(rows.sizes.filter((size, axis) => !goes(size, axis)));
};

export const cat: RowRule = (call) => {
  const { tensors, given, originOf } = call;
  const ndim = tensors[0]?.ndim ?? 0;
  return together(call, axisOf((given[1] as number | undefined) ?? 0, ndim), (tensor) => {
    return [originOf(tensor)?.rows, tensor.shape];
  });
};

export const stack: RowRule = (call) => {
  const { tensors, given, originOf } = call;
  const axis = axisOf((given[1] as number | undefined) ?? 0, (tensors[0]?.ndim ?? 0) + 1);
  return together(call, axis, (tensor) => {
    const rows = originOf(tensor)?.rows;
    const shape = tensor.shape.toSpliced(axis, 0, 1);
    if (rows === undefined || axis > rows.sizes.length) return [rows, shape];
    return [rows.sized(rows.sizes.toSpliced(axis, 0, 1)), shape];
  });
};

/** A row of the product belongs to a row of the first operand; a batch belongs to both operands. */
export const matmul: RowRule = ({ tensors: [a, b], result: { ndim, shape }, originOf }) => {
  if (a === undefined || b === undefined) return undefined;
  const found: Moved[] = [];
  // The product sums over a's last axis and over b's last but one (or only) axis.
  const left = before(originOf(a)?.rows, a.ndim - 1);
  const right = before(originOf(b)?.rows, Math.max(b.ndim - 2, 0));
  if (left !== undefined) {
    found.push({ rows: left, by: a.ndim === 1 || b.ndim === 1 ? 0 : ndim - a.ndim });
  }
  if (right !== undefined) {
    found.push({ rows: right, by: b.ndim === 1 ? 0 : ndim - b.ndim + (a.ndim === 1 ? 1 : 0) });
  }
  return combined(found, shape);
};

export const reduce: RowRule = (call) =>
  before(call.originOf(call.self)?.rows, Math.min(...reducedAxes(call), call.self.ndim));

/** An operation along one axis. */
export const along =
  (dimOf: (call: Call) => number): RowRule =>
  (call) => {
    const { self, originOf } = call;
    return before(originOf(self)?.rows, axisOf(dimOf(call), self.ndim));
  };

/** The rows of the axes before `axis`: an operation along it does not mix them. */
function before(rows: RowCells | undefined, axis: number): RowCells | undefined {
  return rows && collapsed(rows, axis);
}

/** The axes that a reduction covers. */
export function reducedAxes({ self, given: [options] }: Call): number[] {
  const ndim = self.ndim;
  const { dim } = (options ?? {}) as { dim?: number | readonly number[] };
  if (dim === undefined) return Array.from({ length: ndim }, (_, axis) => axis);
  return [dim].flat().map((one) => axisOf(one as number, ndim));
}

function axisOf(dim: number, ndim: number): number {
  return dim < 0 ? dim + ndim : dim;
}

/** The axes of `rows`, moved by `by`. */
function shifted({ sizes }: RowCells, by: number): number[] {
  return sizes.map((_, axis) => axis + by);
}

/** Repeats cells along the first `lead` axes of a shape that `axes` does not name. */
export function spread(
  rows: RowCells,
  axes: readonly number[],
  shape: readonly number[],
  lead = Math.max(-1, ...axes) + 1,
): RowCells {
  const { strides, sizes } = rows;
  const steps = new Array<number>(lead).fill(0);
  for (const [i, axis] of axes.entries())
    if (sizes[i] !== 1 || shape[axis] === 1) steps[axis] = strides[i] as number;
  return rows.gather(shape.slice(0, lead), steps);
}

/** Rows whose axes move by `by` in a result. */
interface Moved {
  readonly rows: RowCells;
  readonly by: number;
}

/**
 * Combines the rows of several operands into those of their result. Tokens come from the operands with
 * most rows: a single row that is broadcast does not give its token to all.
 */
function combined(found: readonly Moved[], shape: readonly number[]): RowCells | undefined {
  if (found.length === 0) return undefined;
  const lead = Math.max(...found.map(({ rows, by }) => rows.sizes.length + by));
  const most = Math.max(...found.map(({ rows }) => rows.count));
  const wide = found.map(({ rows, by }) => spread(rows, shifted(rows, by), shape, lead));
  return both(
    wide,
    wide.filter((_, i) => found[i]?.rows.count === most),
  );
}

/** How many leading axes of a shape have `count` cells; prefers at most `lead`. */
function cutOf(shape: readonly number[], count: number, lead: number): number | undefined {
  const cuts = Array.from({ length: shape.length + 1 }, (_, at) => at).filter(
    (at) => sizeOf(shape.slice(0, at)) === count,
  );
  return cuts.findLast((at) => at <= lead) ?? cuts[0];
}

function reordered(
  rows: RowCells | undefined,
  order: readonly number[],
  ndim: number,
  { shape }: Tensor,
): RowCells | undefined {
  if (rows === undefined) return undefined;
  const from = order.map((dim) => axisOf(dim, ndim));
  return spread(
    rows,
    rows.sizes.map((_, axis) => from.indexOf(axis)),
    shape,
  );
}

/** The cells of chosen indices along an axis. */
function chosen(
  { self, result, originOf }: Call,
  dim: number,
  indicesOf: (size: number, count: number) => ArrayLike<number>,
): RowCells | undefined {
  const rows = originOf(self)?.rows;
  if (rows === undefined) return undefined;
  const axis = axisOf(dim, self.ndim);
  if (axis >= rows.sizes.length) return rows;
  const [size, count] = [rows.sizes[axis] as number, result.shape[axis] as number];
  const stride = rows.strides[axis] as number;
  const offsets = Int32Array.from(indicesOf(size, count), (index) => index * stride);
  const steps = rows.strides.with(axis, 0) as (number | Int32Array)[];
  steps[axis] = offsets;
  return rows.gather(rows.sizes.with(axis, count), steps);
}

/** Joins tensors along an axis: concatenates their rows along a row axis, else combines them. */
function together(
  { tensors, result }: Call,
  axis: number,
  partOf: (tensor: Tensor) => readonly [RowCells | undefined, readonly number[]],
): RowCells | undefined {
  const parts = tensors.map(partOf);
  const known = parts.flatMap(([rows]) => rows ?? []);
  if (known.length === 0) return undefined;
  const lead = Math.max(...known.map(({ sizes }) => sizes.length));
  if (axis >= lead) {
    return combined(
      known.map((rows) => ({ rows, by: 0 })),
      result.shape,
    );
  }
  return joined(
    parts.map(([rows, shape]) => rows && spread(rows, shifted(rows, 0), shape, lead)),
    parts.map(([, shape]) => shape.slice(0, lead)),
    axis,
  );
}
