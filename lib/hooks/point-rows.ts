import type { RowCells } from "../tensor/row-cells.js";
import { spread } from "../tensor/row-rules.js";
import type { Tensor } from "../tensor/tensor.js";

/** The axis of the run's positions: the queries in attention patterns and scores. */
function positionAxis(axes: readonly string[]): number {
  return axes.includes("query_pos") ? axes.indexOf("query_pos") : 1;
}

/** Spreads a run's rows [batch, pos] over an activation; undefined if its sizes differ. */
export function rowsAtPoint(
  rows: RowCells,
  axes: readonly string[],
  { shape }: Tensor,
): RowCells | undefined {
  const pos = positionAxis(axes);
  if (shape[0] !== rows.sizes[0] || shape[pos] !== rows.sizes[1]) return undefined;
  return spread(rows, [0, pos], shape);
}
