import { argument, checkOptions } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import { ActivationCache } from "../hooks/activation-cache.js";
import type { AnyHookName, AxesOf, CheckedKey, CheckedKeys, CheckedName } from "../hooks/names.js";
import { keepBeyond } from "../native/scope.js";
import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkHook, checkWhere, whereKeys } from "./checks.js";
import type { InterventionOptions, Patching, VectorOptions } from "./types.js";
import { checkSpace } from "./vector-space.js";

/** Options for `patch`. */
export interface PatchOptions extends VectorOptions {
  /** Heads that are patched, at a hook that has some. Default: all. */
  readonly heads?: number | readonly number[] | undefined;
}

/**
 * Puts in what another run had at a hook, at the same positions: the third token of the run's row
 * gets what the third of the source's row had, whatever the padding. Default: every real token of
 * the run's row, in `generate` of its prompt, which the source must have. A source of one row serves all rows, else row goes by
 * row. Positions of attention patterns and scores are queries; there both runs must have the same
 * padding.
 *
 * The intervention holds the activation's memory (disposing the cache is fine) until it is garbage;
 * `intervention.source.dispose()` gives it back at once.
 *
 * @example
 * const name = "blocks.1.attn.hook_z";
 * const other = "Leo lives in Berlin. He speaks";
 * using clean = await model.runWithCache(text, { names: [name], logits: false });
 * const interventions = [patch(name, clean.cache, { heads: 3, positions: -1 })];
 * using logits = await model.forward(other, { interventions, positions: [-1] });
 *
 * @throws ARGUMENT for heads or a place that are none, DISPOSED for a cache that is gone
 * @throws NOT_FOUND for a hook that the cache does not have
 * @throws HOOK for a tensor known to be of another space than the hook
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
  checkOptions("patch", options, ["heads", ...whereKeys, "unchecked"]);
  const name = checkHook("patch", hook);
  if (options.unchecked !== true) checkSpace("patch", "source", source, name);
  const { heads } = options;
  const where = {
    ...(heads !== undefined && { heads: checkHeads(heads) }),
    ...checkWhere("patch", options),
  };
  return Object.freeze({ type: "patch", hook: name, source: held(name, source), ...where });
}

/**
 * Holds hooks at what they were in another run: a {@link patch} of each, at every position unless
 * `options` say otherwise. Attention patterns, norm scales, MLP outputs.
 *
 * @param points the hooks' names, or a predicate over those that the cache has
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
  checkOptions("freeze", options, whereKeys);
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

/** The tensor under a handle of our own; it remembers the padding of the run it comes from. */
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
