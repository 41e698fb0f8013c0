import { originOf } from "./internal.js";
import { type CellData, collapsed } from "./row-cells.js";
import { spread } from "./row-rules.js";
import type { Tensor } from "./tensor.js";

/**
 * Padding and tokens for each position of a tensor's first `lead` axes. Empty if the tensor does not
 * come from a run, or if a position mixes several tokens.
 */
export function knownRows(tensor: Tensor, lead: number): CellData {
  const rows = originOf(tensor)?.rows;
  if (rows === undefined) return {};
  const own = collapsed(rows, lead);
  if (own === undefined) return {};
  const axes = own.sizes.map((_, axis) => axis);
  return spread(own, axes, tensor.shape, lead).data;
}
