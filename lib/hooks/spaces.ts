import { isTensor, originOf } from "../tensor/internal.js";
import { hooksIn } from "../tensor/origin.js";
import { parseHookName } from "./parse-hook-name.js";

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
 * The space of the vectors at a hook, by its name in the cache: "residual" at every point that reads or
 * writes the residual stream unchanged, the hook's own name elsewhere. Vectors of different spaces must
 * not be combined, even if their lengths are equal.
 */
export function spaceOf(hook: string): string {
  const { layer, point } = parseHookName(hook);
  if (layer === null) {
    return hook === "hook_embed" || hook === "ln_final.hook_in" ? "residual" : hook;
  }
  return residual.has(point) ? "residual" : hook;
}

/** A hook of `vector`'s origin whose space is none of those of `hooks`, if there is one. */
export function foreignHook(vector: unknown, ...hooks: readonly string[]): string | undefined {
  const origin = isTensor(vector) ? originOf(vector) : undefined;
  if (origin === undefined) return undefined;
  const spaces = hooks.map(spaceOf);
  return hooksIn(origin).find((hook) => !spaces.includes(spaceOf(hook)));
}
