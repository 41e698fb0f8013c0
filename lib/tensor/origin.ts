import type { RowCells } from "./row-cells.js";

/** Where a tensor comes from. */
export interface Origin {
  /** The hook point that it is an activation of; undefined: of none, or no longer known. */
  readonly hook: string | undefined;
  /** The hook points of what was added up or joined in it, if it is an activation of none. */
  readonly mixed?: readonly string[] | undefined;
  /** The model of the run; undefined: not known. */
  readonly model: string | undefined;
  /** What is known of its rows; undefined: nothing. */
  readonly rows?: RowCells | undefined;
}

/** All hook points that a tensor is known to have something of. */
export function hooksIn({ hook, mixed }: Pick<Origin, "hook" | "mixed">): readonly string[] {
  return hook !== undefined ? [hook] : (mixed ?? []);
}
