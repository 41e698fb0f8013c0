import { argument, checkOptions } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import { ActivationCache } from "../hooks/activation-cache.js";
import type { AnyHookName, AxesOf, CheckedKey, CheckedKeys, CheckedName } from "../hooks/names.js";
import { keepBeyond } from "../native/scope.js";
import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkHook, checkSelection, selectionKeys } from "./checks.js";
import type { InterventionOptions, Patching, VectorOptions } from "./types.js";
import { checkSpace } from "./vector-space.js";

/** Options for `patch`. */
export interface PatchOptions extends VectorOptions {
  /** The heads to patch, at a hook with heads. Default: all. */
  readonly heads?: number | readonly number[] | undefined;
}

/**
 * Replaces the activation at a hook by that of another run, at the same positions. The third token
 * of a row gets the activation of the third token of the source's row, whatever the padding. By
 * default every real token of the row is patched (in `generate`, of its prompt); the source must
 * have them all. A source of one row serves all rows; otherwise rows correspond one to one.
 * Positions of attention patterns and scores are queries, and there both runs must have the same
 * padding.
 *
 * The intervention shares the activation's memory until it is garbage-collected, even after the
 * cache is disposed; `intervention.source.dispose()` frees it at once.
 *
 * @example
 * const name = "blocks.1.attn.hook_z";
 * const other = "Leo lives in Berlin. He speaks";
 * using clean = await model.runWithCache(text, { names: [name], logits: false });
 * const interventions = [patch(name, clean.cache, { heads: 3, positions: -1 })];
 * using logits = await model.forward(other, { interventions, positions: [-1] });
 *
 * @throws ARGUMENT if the heads or an option are invalid; DISPOSED if the cache was disposed
 * @throws NOT_FOUND if the cache does not have the hook
 * @throws HOOK if the tensor is known to be of another space than the hook
 */
export function patch<const Name extends AnyHookName, Names extends string>(
  hook: CheckedKey<Name, Names>,
  source: ActivationCache<Names>,
  options?: PatchOptions,
): Patching;
export function patch<const Name extends AnyHookName>(
  hook: CheckedName<Name>,
  source: Tensor<AxesOf<Name>>,
  options?: PatchOptions,
): Patching;
export function patch(
  hook: string,
  source: ActivationCache | Tensor,
  options: PatchOptions = {},
): Patching {
  checkOptions("patch", options, ["heads", ...selectionKeys, "unchecked"]);
  const name = checkHook("patch", hook);
  if (options.unchecked !== true) checkSpace("patch", "source", source, name);
  const { heads } = options;
  const where = {
    ...(heads !== undefined && { heads: checkHeads(heads) }),
    ...checkSelection("patch", options),
  };
  return Object.freeze({ type: "patch", hook: name, source: held(name, source), ...where });
}

/**
 * Freezes hooks, such as attention patterns, norm scales or MLP outputs, at their values in another
 * run: a {@link patch} of each, at every position unless `options` select some.
 *
 * @param points the hooks' names, or a predicate over the cache's names
 *
 * @example
 * const patterns = (name: string) => name.endsWith("hook_pattern");
 * using clean = await model.runWithCache(text, { names: patterns, logits: false });
 * const interventions = freeze(patterns, clean.cache); // where each token looks, as in `text`
 * const other = "Leo lives in Berlin. He speaks";
 * using logits = await model.forward(other, { interventions, positions: [-1] });
 *
 * @throws as {@link patch}
 */
export function freeze<const Points extends readonly AnyHookName[], Names extends string>(
  points: CheckedKeys<Points, Names> | ((name: string) => boolean),
  cache: ActivationCache<Names>,
  options: InterventionOptions = {},
): Patching[] {
  checkOptions("freeze", options, selectionKeys);
  if (!(cache instanceof ActivationCache)) {
    throw argument("freeze", "the cache of a run", "cache", shortly(cache));
  }
  if (typeof points !== "function" && !Array.isArray(points)) {
    throw argument("freeze", "names of hooks, or a predicate", "points", shortly(points));
  }
  const names: readonly string[] =
    typeof points === "function" ? cache.names.filter(points) : (points as readonly string[]);
  return names.map((name) => patch(name, cache as unknown as ActivationCache, options));
}

/** Makes a second handle to the tensor, which remembers the padding of its run. */
function held(hook: string, source: ActivationCache | Tensor): Tensor {
  const tensor = source instanceof ActivationCache ? source.get(hook) : source;
  if (!isTensor(tensor)) {
    throw argument("patch", "the cache of a run, or a Tensor", "source", shortly(source));
  }
  const own = tensor.reshape(tensor.shape);
  keepBeyond(own);
  return own;
}

function checkHeads(heads: number | readonly number[]): readonly number[] {
  const list: readonly unknown[] = Array.isArray(heads) ? heads : [heads];
  const wrong = list.find((head) => !Number.isSafeInteger(head) || (head as number) < 0);
  if (list.length === 0 || wrong !== undefined || list.includes(undefined)) {
    throw argument("patch", "heads, counted from 0", "heads", shortly(heads));
  }
  return Object.freeze([...new Set(list as readonly number[])].sort((a, b) => a - b));
}
