import type { RowCells } from "./row-cells.js";

/** Where a tensor comes from. */
export interface Origin {
  /** The hook point that it is an activation of; undefined: of none, or no longer known. */
  readonly hook: string | undefined;
  /** The model of the run; undefined: not known. */
  readonly model: string | undefined;
  /** What is known of its rows; undefined: nothing. */
  readonly rows?: RowCells | undefined;
}
