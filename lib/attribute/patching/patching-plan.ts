import { argument, checkOptions } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import type { ResolvedPoint } from "../../hooks/hook-table.js";
import type { CacheShortName } from "../../hooks/names.js";
import { isFullName } from "../../hooks/parse-hook-name.js";
import { type blockPoints, shortNames } from "../../hooks/points.js";
import { sizesAt } from "../../intervene/point-shape.js";
import type { ModelClient } from "../../model/model-client.js";
import { checkLayers } from "../cache-rows.js";
import type { Prompt } from "../prompt.js";

/** A point of a block: TransformerLens' short name, or the name after "blocks.L.". */
export type PatchPoint = CacheShortName | keyof typeof blockPoints;

/** The positions of a grid that replaces all positions together. */
export const allAtOnce = "all-at-once";
type AllAtOnce = typeof allAtOnce;

/** The activations to replace, one by one. */
export interface PatchingOver {
  /** The points: "resid_pre", "attn_out", "mlp_out", "z", "pattern", "ln1.hook_scale", … */
  readonly points: PatchPoint | readonly PatchPoint[];
  /** The layers, negative from the end. Default: all. */
  readonly layers?: readonly number[] | undefined;
  /**
   * The positions, one cell for each, or "all-at-once" for one cell with every position. Default:
   * each position. Positions of attention patterns are queries.
   */
  readonly positions?: readonly number[] | AllAtOnce | undefined;
  /** The heads, one cell for each: these, or all with `true`. Default: all heads at once. */
  readonly heads?: true | readonly number[] | undefined;
}

/** One activation that is replaced. */
export interface PatchCell {
  readonly name: string;
  readonly layer: number;
  /** Undefined: every position. */
  readonly position: number | undefined;
  /** Undefined: every head. */
  readonly head: number | undefined;
  /** The flattened index of the cell in the grid. */
  readonly index: number;
}

/** The axes of a grid, and its cells in order. */
export interface PatchingPlan {
  readonly points: readonly string[];
  readonly layers: readonly number[];
  readonly positions: readonly number[] | AllAtOnce;
  readonly heads: readonly number[] | undefined;
  readonly cells: readonly PatchCell[];
  /** Every hook that is patched. */
  readonly names: readonly string[];
}

/** Checks `over` against the model and the prompts. */
export function planPatching(
  client: ModelClient,
  over: PatchingOver,
  prompt: Prompt,
): PatchingPlan {
  const { caller } = client;
  if (typeof over !== "object" || over === null) {
    throw argument(caller, "{points, layers, positions, heads}", "over", typeof over);
  }
  checkOptions(caller, over, ["points", "layers", "positions", "heads"]);
  const points = [over.points].flat();
  if (points.length === 0) throw argument(caller, "at least one point", "over.points", "none");
  const layers = checkLayers(caller, over.layers, client.cfg);
  const suffixes = points.map((point) => suffixOf(caller, point));
  const resolved = suffixes.map((suffix) => client.point(`blocks.${layers[0]}.${suffix}`));
  const heads = checkHeads(client, over.heads, resolved);
  const positions = checkPositions(caller, over.positions, prompt);
  const cells: PatchCell[] = [];
  for (const suffix of suffixes) {
    for (const layer of layers) {
      for (const position of positions === allAtOnce ? [undefined] : positions) {
        for (const head of heads ?? [undefined]) {
          const name = `blocks.${layer}.${suffix}`;
          cells.push({ name, layer, position, head, index: cells.length });
        }
      }
    }
  }
  const names = [...new Set(cells.map(({ name }) => name))];
  return { points: suffixes, layers, positions, heads, cells, names };
}

function suffixOf(caller: string, point: string): string {
  if (typeof point !== "string") {
    throw argument(caller, 'names such as "resid_pre"', "over.points", typeof point);
  }
  if (Object.hasOwn(shortNames, point)) return shortNames[point as CacheShortName];
  if (!isFullName(point)) return point;
  throw new GemlensError(
    "NOT_FOUND",
    sentence(
      caller,
      'the name of a point of every block, such as "resid_pre" or "hook_attn_out",',
      "over.points",
      JSON.stringify(point),
    ),
    { name: point },
  );
}

function checkHeads(
  { caller, cfg }: ModelClient,
  heads: PatchingOver["heads"],
  points: readonly ResolvedPoint[],
): number[] | undefined {
  if (heads === undefined) return undefined;
  const counts = points.map((point) => {
    const axis = point.axes.indexOf("head_index");
    const count = axis < 0 ? undefined : sizesAt(point, cfg)[axis];
    if (count !== undefined) return count;
    throw argument(caller, "points with heads (or no over.heads)", "over.points", point.name);
  });
  const count = Math.min(...counts);
  if (counts.some((other) => other !== count)) {
    throw argument(
      caller,
      "points with the same number of heads",
      "over.points",
      counts.join(", "),
    );
  }
  if (heads === true) return Array.from({ length: count }, (_, head) => head);
  if (!Array.isArray(heads) || heads.length === 0) {
    throw argument(caller, "true or a list of heads", "over.heads", String(heads));
  }
  for (const head of heads as readonly number[]) {
    if (Number.isInteger(head) && head >= 0 && head < count) continue;
    throw argument(caller, `integers in [0, ${count})`, "over.heads", head);
  }
  return [...new Set(heads as readonly number[])];
}

function checkPositions(
  caller: string,
  positions: PatchingOver["positions"],
  prompt: Prompt,
): number[] | AllAtOnce {
  if (positions === allAtOnce) return allAtOnce;
  if (positions === undefined) return Array.from({ length: prompt.length }, (_, i) => i);
  if (!Array.isArray(positions) || positions.length === 0) {
    throw argument(
      caller,
      `"${allAtOnce}" or a list of positions`,
      "over.positions",
      JSON.stringify(positions),
    );
  }
  return [...new Set(positions.map((position: number) => prompt.position(caller, position)))];
}
