import type { Coder } from "../coder/coder.js";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { CanonicalHookName } from "../hooks/index.js";
import { checkCoder, inputOf } from "../intervene/edit-place.js";
import type { Tensor } from "../tensor/index.js";
import { setOrigin } from "../tensor/internal.js";
import { checkFires, fires, type LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import { editPlace } from "./run-edits.js";
import type { CacheOptions } from "./run-options.js";
import type { RunStart } from "./run-start.js";

/** A coder that is read inside a run. */
export interface ReadCoder {
  readonly coder: Coder;
  readonly point: ResolvedPoint;
}

/** The points of `names`; two names of one place are one entry. */
export function namedPoints(
  what: string,
  core: ModelCore,
  names: CacheOptions["names"] | undefined,
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

/** The coders of `features`, each once, checked against the model. */
export function readCoders(
  what: string,
  core: ModelCore,
  coders: readonly Coder[],
  range: LayerRange,
): ReadCoder[] {
  if (!Array.isArray(coders)) throw argument(what, "an array of coders", "features", typeof coders);
  const place = editPlace(what, core, range);
  return [...new Set(coders as readonly Coder[])].map((entry, i) => {
    const coder = checkCoder(place, `features[${i}]`, entry);
    return { coder, point: inputOf(place, `features[${i}]`, coder) };
  });
}

/** Notes on a tensor which hook of which run it is. */
export function remember(tensor: Tensor, hook: string, core: ModelCore, start: RunStart): void {
  setOrigin(tensor, { hook, model: core.cfg.modelName, mask: start.padding });
}

/** What the native core must have returned. */
export function needed<T>(what: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new GemlensError("INTERNAL", `${what}: the native core returned less than was asked for`);
}
