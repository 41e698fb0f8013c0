import type { RowCells } from "./row-cells.js";

/** The origin of a tensor. */
export interface Origin {
  /** The hook point whose activation it is; undefined: none, or unknown. */
  readonly hook: string | undefined;
  /** The hook points of its summands or parts, if it has no single hook. */
  readonly mixed?: readonly string[] | undefined;
  /** The model of the run; undefined: unknown. */
  readonly model: string | undefined;
  /** Its rows; undefined: unknown. */
  readonly rows?: RowCells | undefined;
}

/** All hook points that contribute to a tensor, as far as known. */
export function hooksIn({ hook, mixed }: Pick<Origin, "hook" | "mixed">): readonly string[] {
  return hook !== undefined ? [hook] : (mixed ?? []);
}
