import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { CanonicalHookName, Hook, HookKey } from "../hooks/index.js";
import type { ResolvedHook } from "../hooks/js-hooks.js";
import { checkFires, fires, type LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { CacheOptions } from "./run-options.js";

type Names = CacheOptions["names"] | undefined;

/** The points of `names`; two names of one place are one entry. */
export function namedPoints(
  what: string,
  core: ModelCore,
  names: Names,
  range: LayerRange,
): ResolvedPoint[] {
  if (typeof names === "function") {
    return core.table.allNames
      .filter((name) => names(name as CanonicalHookName))
      .map((name) => core.table.resolve(name, what))
      .filter((point) => fires(point, range));
  }
  if (!Array.isArray(names)) {
    const expected = "the hook names to keep (an array, [] for none, or a predicate)";
    throw argument(what, expected, "names", names === undefined ? "nothing" : typeof names);
  }
  const points = new Map<number, ResolvedPoint>();
  for (const [i, name] of names.entries()) {
    const point = core.table.resolve(name, what);
    checkFires(what, `names[${i}]`, point, range);
    points.set(point.id, point);
  }
  return [...points.values()];
}

/**
 * Where heads share keys, one copy of the input for each query head does not say what a key head
 * reads: there is no gradient at it. Asked for by name it is refused, a predicate goes without.
 */
export function differentiable(
  what: string,
  { cfg }: ModelCore,
  names: Names,
  points: readonly ResolvedPoint[],
): readonly ResolvedPoint[] {
  if (cfg.nHeads === cfg.nKeyValueHeads) return points;
  const undefinedAt = ({ name }: ResolvedPoint) => name.endsWith(".hook_attn_in");
  const wrong = points.find(undefinedAt);
  if (wrong === undefined) return points;
  if (typeof names === "function") return points.filter((point) => !undefinedAt(point));
  throw new GemlensError(
    "UNSUPPORTED",
    `${what}: ${wrong.name} has no gradient with ${cfg.nKeyValueHeads} key heads for ${cfg.nHeads} heads; use hook_q_input, hook_k_input, hook_v_input`,
    { hook: wrong.name },
  );
}

/** Finds the points of hooks. NOT_FOUND for an unknown name, ARGUMENT for what is no hook. */
export function resolveHooks(
  what: string,
  core: ModelCore,
  hooks: readonly Hook[],
  range: LayerRange,
): ResolvedHook[] {
  if (!Array.isArray(hooks))
    throw argument(what, "an array of [name, function]", "hooks", typeof hooks);
  return hooks.map((entry: unknown, i) => {
    const [name, fn] = Array.isArray(entry) ? (entry as unknown as Hook) : [];
    if (!(typeof name === "string" || Array.isArray(name)) || typeof fn !== "function") {
      throw argument(
        what,
        "a hook as [name, function] or hook(name, function)",
        `hooks[${i}]`,
        typeof entry,
      );
    }
    const point = core.table.resolve(name as HookKey, what);
    checkFires(what, `hooks[${i}]`, point, range);
    return { point, fn };
  });
}
