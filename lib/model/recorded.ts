import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { CanonicalHookName } from "../hooks/index.js";
import { rowsAtPoint } from "../hooks/point-rows.js";
import type { Tensor } from "../tensor/index.js";
import { setOrigin } from "../tensor/internal.js";
import { type CellData, RowCells } from "../tensor/row-cells.js";
import { checkFires, fires, type LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { CacheOptions } from "./run-options.js";
import type { RunStart } from "./run-start.js";
import { specialTokensOf } from "./special-tokens.js";

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

type RowsOfStart = Pick<RunStart, "batch" | "pos" | "padding" | "ids">;

/** Notes on a tensor which hook of which run it is. */
export function remember(
  tensor: Tensor,
  { name: hook, axes }: Pick<ResolvedPoint, "name" | "axes">,
  core: ModelCore,
  start: RowsOfStart,
): void {
  const rows = rowsAtPoint(rowsOfRun(core, start), axes, tensor);
  setOrigin(tensor, { hook, model: core.cfg.modelName, rows });
}

/** Notes on a run's logits of all positions which rows they have; they are of no hook. */
export function rememberRows(logits: Tensor, core: ModelCore, start: RowsOfStart): void {
  const rows = rowsAtPoint(rowsOfRun(core, start), [], logits);
  setOrigin(logits, { hook: undefined, model: core.cfg.modelName, rows });
}

/** The rows of a run: its padding and its tokens. */
export function rowsOfRun(core: ModelCore, start: RowsOfStart): RowCells {
  return new RowCells([start.batch, start.pos], cellsOfRun(core, start));
}

export function cellsOfRun(core: ModelCore, { padding, ids }: RowsOfStart): CellData {
  return { mask: padding, ...(ids !== undefined && { ids, special: specialTokensOf(core) }) };
}

/** What the native core must have returned. */
export function needed<T>(what: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new GemlensError("INTERNAL", `${what}: the native core returned less than was asked for`);
}
