import type { ModelConfig } from "../checkpoint/model-config.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";

/** Sizes of the axes at a point that do not depend on the run; undefined for the others. */
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

/** Numbers that a point has for each position, heads flattened; undefined for attention patterns. */
export function widthAt(point: ResolvedPoint, cfg: ModelConfig): number | undefined {
  if (point.axes.includes("key_pos")) return undefined;
  return sizesAt(point, cfg).reduce<number>((product, size) => product * (size ?? 1), 1);
}

/** Where a point comes in the order of firing. */
export function orderOf({ id, name, layer }: ResolvedPoint): number {
  if (layer !== null) return id;
  return name === "hook_embed" ? -1 : Number.MAX_SAFE_INTEGER - 1000 + id;
}

/** Keys and values have their own, fewer heads. */
function sharesHeads(name: string): boolean {
  return /\.(?:hook_k|hook_v|hook_rot_k|k_norm\.hook_out|hook_[kv]_input)$/.test(name);
}
