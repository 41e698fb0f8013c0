import { RowLayout } from "../coder/row-layout.js";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { handleOf, isTensor } from "../tensor/internal.js";
import { knownRows } from "../tensor/known-rows.js";
import type { Tensor } from "../tensor/tensor.js";
import type { EditContext } from "./edit-context.js";
import { sizesAt } from "./point-shape.js";
import { cellOf, chosenPositions, computedSpan, type RunRows } from "./run-rows.js";
import type { Patching, Positions } from "./types.js";

/** The rows of a patch's source. */
export interface PatchSource {
  readonly layout: RowLayout;
  /** Whether the point has one row of keys for each query. */
  readonly isPattern: boolean;
}

/** Checks a patch's source and heads against the patched point. */
export function resolveSource(
  context: EditContext,
  use: string,
  patch: Patching,
  point: ResolvedPoint,
): PatchSource {
  const { caller, cfg } = context;
  const { source, heads } = patch;
  if (!isTensor(source)) throw argument(caller, "a Tensor", `${use}.source`, typeof source);
  handleOf(source, caller, `${use}.source`);
  const isPattern = point.axes.includes("key_pos");
  const sizes = sizesAt(point, cfg);
  const { shape, device } = source;
  const fits =
    shape.length === sizes.length && sizes.every((n, i) => n === undefined || n === shape[i]);
  if (!fits) {
    const wanted = sizes.map((size, i) => size ?? point.axes[i]).join(", ");
    throw new GemlensError(
      "SHAPE",
      sentence(
        caller,
        `[${wanted}]`,
        `the source of ${use} (${point.name})`,
        `[${shape.join(", ")}]`,
      ),
      { expected: wanted, got: shape, hook: point.name },
    );
  }
  if (device !== cfg.device) {
    throw new GemlensError(
      "DEVICE",
      sentence(caller, `a source on ${cfg.device}`, use, `one on ${device}`),
      { expected: cfg.device, got: device },
    );
  }
  const axis = point.axes.indexOf("head_index");
  const most = axis < 0 ? 0 : (sizes[axis] as number);
  const wrong = heads?.find((head) => head >= most);
  if (wrong !== undefined) {
    const expected = axis < 0 ? `none (${point.name} has no heads)` : `heads in [0, ${most})`;
    throw argument(caller, expected, `${use}.heads`, wrong);
  }
  const [batch = 0, pos = 0] = [shape[0], shape[isPattern ? 2 : 1]];
  return { layout: new RowLayout(batch, pos, maskOf(source, isPattern)), isPattern };
}

/** The padding of the run that a source comes from; for patterns, that of the queries. */
function maskOf(source: Tensor, isPattern: boolean): Uint8Array | undefined {
  const { mask } = knownRows(source, isPattern ? 3 : 2);
  if (mask === undefined || !isPattern) return mask;
  const [batch = 0, heads = 0, pos = 0] = source.shape;
  const cell = (row: number) => Math.floor(row / pos) * heads * pos + (row % pos);
  return Uint8Array.from({ length: batch * pos }, (_, row) => mask[cell(row)] as number);
}

/** Refuses rows and positions that the source lacks, before anything runs. */
export function checkSource(
  caller: string,
  use: string,
  { layout, isPattern }: PatchSource,
  positions: Positions | undefined,
  among: readonly number[],
  rows: RunRows,
): void {
  const { batch } = rows.layout;
  if (layout.batch !== 1 && layout.batch !== batch) {
    throw new GemlensError(
      "SHAPE",
      sentence(
        caller,
        `a source of ${batch === 1 ? "1 row" : `1 or ${batch} rows`}`,
        use,
        layout.batch,
      ),
      { expected: batch, got: layout.batch },
    );
  }
  for (const row of among) {
    const prompt = rows.layout.length(row);
    const length = layout.length(sourceRow(layout, row));
    const wanted = chosenPositions(
      patchedPositions(positions, rows, prompt),
      0,
      prompt + rows.more,
      prompt,
    );
    const lacks = wanted.find((position) => position >= length);
    if (lacks !== undefined) {
      const available = rows.step === undefined ? prompt : `${prompt} and ${rows.more} generated`;
      throw argument(
        caller,
        `positions that the source has (${length} of row ${row})`,
        `${use}.positions`,
        `position ${lacks} of ${available}: say which with {positions}`,
        { batch: row, length: prompt, sourceLength: length },
      );
    }
    if (isPattern) checkPattern(caller, use, layout, row, wanted, rows);
  }
}

/** Checks that both runs have the same padding: keys are columns, which must be the same tokens. */
function checkPattern(
  caller: string,
  use: string,
  layout: RowLayout,
  row: number,
  wanted: readonly number[],
  rows: RunRows,
): void {
  const prompt = rows.layout;
  const from = sourceRow(layout, row);
  const same =
    layout.pos === prompt.pos &&
    layout.length(from) === prompt.length(row) &&
    !layout.hasGaps(from) &&
    layout.column(caller, from, 0) === prompt.column(caller, row, 0);
  if (!same) {
    const describe = (rows: RowLayout, r: number) =>
      `${rows.length(r)} of ${rows.pos} columns from ${rows.column(caller, r, 0)}`;
    throw argument(
      caller,
      `the run's own padding (${describe(prompt, row)}) for attention patterns`,
      `the source of ${use}`,
      describe(layout, from),
    );
  }
  const after = wanted.find((position) => position >= prompt.length(row));
  if (after === undefined) return;
  throw argument(caller, "positions of the prompt", `${use}.positions`, after);
}

/** The native rows that are patched, and the source row of each. */
export function patchRows(
  { layout }: PatchSource,
  positions: Positions | undefined,
  among: readonly number[],
  rows: RunRows,
  excluded: ReadonlySet<number>,
): { rows: Int32Array; sourceRows: Int32Array } {
  const cells: number[] = [];
  const sources: number[] = [];
  for (const row of among) {
    const from = sourceRow(layout, row);
    const [first, count] = computedSpan(rows, row);
    const prompt = rows.layout.length(row);
    const patched = patchedPositions(positions, rows, prompt);
    for (const position of chosenPositions(patched, first, first + count, prompt)) {
      const cell = cellOf(rows, row, position);
      if (excluded.has(cell)) continue;
      cells.push(cell);
      sources.push(from * layout.pos + layout.column("patch", from, position));
    }
  }
  return { rows: Int32Array.from(cells), sourceRows: Int32Array.from(sources) };
}

/** The positions to patch; by default all, or in a generation those of the prompt. */
function patchedPositions(
  positions: Positions | undefined,
  { step }: RunRows,
  prompt: number,
): Positions | undefined {
  return positions ?? (step === undefined ? undefined : { from: 0, to: prompt });
}

function sourceRow(layout: RowLayout, row: number): number {
  return layout.batch === 1 ? 0 : row;
}
