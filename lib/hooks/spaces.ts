/** Points of a block whose vectors are directions of the residual stream. */
const residual = new Set([
  "hook_resid_pre",
  "hook_attn_in",
  "hook_q_input",
  "hook_k_input",
  "hook_v_input",
  "hook_attn_out",
  "hook_resid_mid",
  "hook_mlp_in",
  "hook_mlp_out",
  "hook_resid_post",
]);

/**
 * The space of the vectors at a hook, by its name in the cache: "residual" at every point that reads
 * or writes the residual stream as it is, elsewhere the hook's own. Vectors of different spaces
 * have no common meaning even if they are equally long.
 */
export function spaceOf(hook: string): string {
  const point = /^blocks\.\d+\.(.+)$/.exec(hook)?.[1];
  if (point === undefined) {
    return hook === "hook_embed" || hook === "ln_final.hook_in" ? "residual" : hook;
  }
  return residual.has(point) ? "residual" : hook;
}
