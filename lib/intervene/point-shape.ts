import type { ModelConfig } from "../checkpoint/model-config.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";

/** The sizes of a point's axes; undefined for an axis that depends on the run. */
export function sizesAt(point: ResolvedPoint, cfg: ModelConfig): (number | undefined)[] {
  const sizes: Record<string, number> = {
    d_model: cfg.dModel,
    d_mlp: cfg.dMlp,
    d_vocab: cfg.dVocab,
    d_head: cfg.dHead,
    head_index: sharesHeads(point.name) ? cfg.nKeyValueHeads : cfg.nHeads,
    one: 1,
  };
  return point.axes.map((axis) => sizes[axis]);
}

/** A point's width at each position, heads flattened; undefined for attention patterns. */
export function widthAt(point: ResolvedPoint, cfg: ModelConfig): number | undefined {
  if (point.axes.includes("key_pos")) return undefined;
  return sizesAt(point, cfg).reduce<number>((product, size) => product * (size ?? 1), 1);
}

/** A sort key for the order in which points fire. */
export function orderOf({ id, name, layer }: ResolvedPoint): number {
  if (layer !== null) return id;
  return name === "hook_embed" ? -1 : Number.MAX_SAFE_INTEGER - 1000 + id;
}

/** Whether a point has the key-value heads, which may be fewer than the query heads. */
function sharesHeads(name: string): boolean {
  return /\.(?:hook_k|hook_v|hook_rot_k|k_norm\.hook_out|hook_[kv]_input)$/.test(name);
}
