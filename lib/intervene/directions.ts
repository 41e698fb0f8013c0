import type { FeatureRef } from "../coder/coder.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import type { AnyHookName, CheckedName } from "../hooks/names.js";
import {
  checkFinite,
  checkHook,
  checkLength,
  checkRef,
  checkSelection,
  copyVector,
  isObject,
  selectionKeys,
} from "./checks.js";
import type { Direction, Projection, Steering, Vector, VectorOptions } from "./types.js";
import { checkSpace } from "./vector-space.js";

const where = [...selectionKeys, "unchecked"];

/** Options for `steer`. */
export interface SteerOptions extends VectorOptions {
  /**
   * Move along the direction v̂ only until the projection x·v̂ reaches `cap`, and not at all if it
   * is there already: by min(α‖v‖, max(0, cap − x·v̂)), for α < 0 by max(α‖v‖, min(0, cap − x·v̂)).
   * With α = ±Infinity, `cap` is a floor or a ceiling of the projection.
   */
  readonly cap?: number | undefined;
}

/**
 * Adds a direction: x + α·v (activation addition: Turner et al. 2023, arXiv 2308.10248). The
 * direction of a feature is its decoder row, at its coder's `hookNameOut`; the coder does not
 * encode for it.
 *
 * @param target a feature, or a vector as wide as the hook is at each position (heads flattened); a
 *   Tensor is copied at once
 * @param coefficient α; infinite only with a `cap`
 *
 * @example
 * const colours = steer(sae.feature(966), 8, { positions: { from: 1 } });
 * const options = { interventions: [colours], temperature: 0, maxNewTokens: 2 };
 * console.log(await model.generate("One sunny day, Lily saw a", options).text()); // golden sheep
 *
 * @throws ARGUMENT if the feature, vector, coefficient or an option is invalid
 * @throws NOT_FOUND if the hook does not exist; HOOK if the tensor is known to be of another space
 */
export function steer<const Name extends AnyHookName = string>(
  target: FeatureRef | { readonly hook: CheckedName<Name>; readonly vector: Vector },
  coefficient: number,
  options: SteerOptions = {},
): Steering {
  const caller = "steer";
  checkOptions(caller, options, ["cap", ...where]);
  const { cap } = options;
  checkCoefficient(caller, coefficient, cap);
  const to = checkTarget(caller, target, options.unchecked === true);
  if (cap !== undefined) {
    checkFinite(caller, "cap", cap);
    if ("vector" in to) checkLength(caller, to.vector);
  }
  return Object.freeze({
    type: "steer",
    target: to,
    coefficient,
    ...(cap !== undefined && { cap }),
    ...checkSelection(caller, options),
  });
}

/**
 * Removes a direction: x − (x·v̂)v̂, v̂ = v/‖v‖ ("directional ablation": Arditi et al. 2024, arXiv
 * 2406.11717).
 *
 * @example
 * const interventions = [project("blocks.2.hook_resid_post", sae.direction(213))];
 * const options = { interventions, temperature: 0, maxNewTokens: 2 };
 * console.log(await model.generate(text, options).text()); // it is
 *
 * @throws ARGUMENT if the vector is zero or an option is invalid
 * @throws NOT_FOUND if the hook does not exist; HOOK if the tensor is known to be of another space
 */
export function project<const Name extends AnyHookName>(
  hook: CheckedName<Name>,
  vector: Vector,
  options: VectorOptions = {},
): Projection {
  checkOptions("project", options, where);
  const name = checkHook("project", hook);
  if (options.unchecked !== true) checkSpace("project", "vector", vector, name);
  const direction = copyVector("project", vector);
  checkLength("project", direction);
  return Object.freeze({
    type: "project",
    hook: name,
    vector: direction,
    ...checkSelection("project", options),
  });
}

export function checkCoefficient(caller: string, value: unknown, cap: number | undefined): void {
  if (typeof value === "number" && !Number.isNaN(value)) {
    const huge = Number.isFinite(value) && !Number.isFinite(Math.fround(value));
    if (!huge && (Number.isFinite(value) || cap !== undefined)) return;
    const expected = "a finite number (an infinite one needs a cap to stop at)";
    throw argument(caller, expected, "coefficient", value);
  }
  throw argument(caller, "a number", "coefficient", shortly(value));
}

function checkTarget(caller: string, target: unknown, unchecked: boolean): FeatureRef | Direction {
  if (!isObject(target) || !("vector" in target)) {
    if (isObject(target) && "coder" in target) return checkRef(caller, target);
    const expected = "a coder's feature, such as sae.feature(7), or {hook, vector}";
    throw argument(caller, expected, "target", shortly(target));
  }
  checkOptions(caller, target, ["hook", "vector"]);
  const { hook, vector } = target as { hook?: unknown; vector: Vector };
  const name = checkHook(caller, hook);
  if (!unchecked) checkSpace(caller, "vector", vector, name);
  return Object.freeze({ hook: name, vector: copyVector(caller, vector) });
}
