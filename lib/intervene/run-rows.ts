import type { RowLayout } from "../coder/row-layout.js";
import { argument } from "../errors/check-options.js";
import type { InterventionOptions, Positions } from "./types.js";

/** The positions that one native run computes: all of them, or those of one generation step. */
export interface RunRows {
  /** The rows in which positions count; in a generation, its prompts. */
  readonly layout: RowLayout;
  /** The number of columns of the native run. */
  readonly pos: number;
  /** In a generation 0 for the prompts, then 1, 2 …; undefined outside a generation. */
  readonly step: number | undefined;
  /** The number of positions that all steps of a generation compute after each prompt. */
  readonly more: number;
}

/** The rows of a run that is not a generation. */
export function wholeRun(layout: RowLayout): RunRows {
  return { layout, pos: layout.pos, step: undefined, more: 0 };
}

/** The rows of one step of a generation of `steps` tokens. No run reads the last token drawn. */
export function stepOf(layout: RowLayout, step: number, steps: number): RunRows {
  return { layout, pos: step === 0 ? layout.pos : 1, step, more: Math.max(steps - 1, 0) };
}

/** The first position of a row that this run computes, and the number of positions. */
export function computedSpan(
  { layout, step = 0 }: RunRows,
  row: number,
): readonly [number, number] {
  const prompt = layout.length(row);
  return step === 0 ? [0, prompt] : [prompt + step - 1, 1];
}

/** The flattened row of a position in the native run. */
export function cellOf(rows: RunRows, row: number, position: number): number {
  const { layout, pos, step = 0 } = rows;
  return step === 0 ? row * pos + layout.column("positions", row, 0) + position : row;
}

/** The chosen rows of the batch, ascending. ARGUMENT if one is out of range. */
export function chosenBatch(
  caller: string,
  use: string,
  batch: InterventionOptions["batch"],
  layout: RowLayout,
): readonly number[] {
  if (batch === undefined) return Array.from({ length: layout.batch }, (_, row) => row);
  const rows = typeof batch === "number" ? [batch] : [...new Set(batch)].sort((a, b) => a - b);
  for (const row of rows) {
    if (row < layout.batch) continue;
    throw argument(caller, `rows in [0, ${layout.batch})`, `${use}.batch`, row);
  }
  return rows;
}

/** The chosen positions in [low, high), ascending; negative ones count from `end`. */
export function chosenPositions(
  positions: Positions | undefined,
  low: number,
  high: number,
  end: number,
): number[] {
  const inside = (position: number) => position >= low && position < high;
  const fromStart = (position: number) => (position < 0 ? position + end : position);
  if (typeof positions === "number") return [fromStart(positions)].filter(inside);
  if (isList(positions)) {
    return [...new Set(positions.map(fromStart))].filter(inside).sort((a, b) => a - b);
  }
  const first = Math.max(low, positions === undefined ? low : fromStart(positions.from));
  const last = Math.min(high, positions?.to === undefined ? high : fromStart(positions.to));
  return Array.from({ length: Math.max(last - first, 0) }, (_, i) => first + i);
}

/** Refuses listed positions that are out of range; the rows of a generation have no upper bound. */
export function checkListed(
  caller: string,
  use: string,
  positions: Positions | undefined,
  rows: readonly number[],
  { layout, step }: RunRows,
): void {
  if (typeof positions !== "number" && !isList(positions)) return;
  for (const row of rows) {
    const length = layout.length(row);
    const wrong = [positions]
      .flat()
      .find((position) => position < -length || (step === undefined && position >= length));
    if (wrong === undefined) continue;
    const range = step === undefined ? `[-${length}, ${length})` : `[-${length}, …)`;
    throw argument(caller, `positions in ${range} (row ${row})`, `${use}.positions`, wrong, {
      batch: row,
      length,
    });
  }
}

/** The chosen rows of the native run, ascending; undefined for all. */
export function chosenCells(
  { positions, batch }: InterventionOptions,
  among: readonly number[],
  rows: RunRows,
  excluded: ReadonlySet<number>,
): Int32Array | undefined {
  if (positions === undefined && batch === undefined && excluded.size === 0) return undefined;
  const cells: number[] = [];
  let all = among.length === rows.layout.batch;
  for (const row of among) {
    const [first, count] = computedSpan(rows, row);
    const here = chosenPositions(positions, first, first + count, rows.layout.length(row))
      .map((position) => cellOf(rows, row, position))
      .filter((cell) => !excluded.has(cell));
    all &&= here.length === count;
    for (const cell of here) cells.push(cell);
  }
  return all ? undefined : Int32Array.from(cells);
}

/** Whether every later step of a generation chooses the same cells in these rows as this step. */
export function isSettled(
  positions: Positions | undefined,
  among: readonly number[],
  rows: RunRows,
): boolean {
  if (rows.step === undefined || rows.step === 0) return false;
  return among.every((row) => {
    const [now] = computedSpan(rows, row);
    const end = rows.layout.length(row);
    if (typeof positions === "number" || isList(positions)) {
      return [positions].flat().every((position) => position < now);
    }
    const { from = 0, to } = positions ?? {};
    const reached = (position: number) => (position < 0 ? position + end : position) <= now;
    return to === undefined ? reached(from) : reached(to);
  });
}

function isList(positions: Positions | undefined): positions is readonly number[] {
  return Array.isArray(positions);
}
