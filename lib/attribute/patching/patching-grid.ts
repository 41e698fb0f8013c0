import { argument } from "../../errors/check-options.js";
import { closest } from "../../hooks/closest.js";
import { shortNames } from "../../hooks/points.js";
import { plainJson } from "../../tensor/tensor-json.js";
import { allAtOnce, type PatchingPlan } from "./patching-plan.js";

/** One cell of a grid. */
export interface PatchResult {
  /** The target with the activation replaced. */
  readonly value: number;
  /** `value` minus the target of the unpatched run. */
  readonly effect: number;
  /** `effect` as a share of the difference between the two prompts: 1 restores (or breaks) all. */
  readonly share: number;
}

/** The coordinates of a cell in a grid. */
export interface PatchPlace {
  /** Required if there are several points. */
  readonly point?: string | undefined;
  /** Counted from 0. */
  readonly layer: number;
  /** Required unless positions were replaced all at once. */
  readonly position?: number | undefined;
  /** Required if heads were replaced one by one. */
  readonly head?: number | undefined;
}

interface Measured {
  readonly clean: number;
  readonly corrupt: number;
  readonly direction: "denoising" | "noising";
  readonly tokens: { readonly clean: readonly string[]; readonly corrupt: readonly string[] };
}

/** The target with each activation replaced: points × layers × positions × heads. */
export class PatchingGrid {
  /** The points' names after "blocks.L.". */
  readonly points: readonly string[];
  /** Counted from 0. */
  readonly layers: readonly number[];
  /** Counted in the prompts' tokens; "all-at-once" if they were replaced together. */
  readonly positions: readonly number[] | "all-at-once";
  /** Undefined if all heads were replaced at once. */
  readonly heads: readonly number[] | undefined;
  /** "denoising" if the corrupt prompt was run, "noising" if the clean one was. */
  readonly direction: "denoising" | "noising";
  /** The target of the clean prompt. */
  readonly clean: number;
  /** The target of the corrupt prompt. */
  readonly corrupt: number;
  /** The two prompts' tokens, as text. */
  readonly tokens: {
    /** The clean prompt's. */
    readonly clean: readonly string[];
    /** The corrupt prompt's. */
    readonly corrupt: readonly string[];
  };
  /** The target with each activation replaced: [points, layers, positions, heads], row-major. */
  readonly values: Float64Array;

  /** @internal */
  constructor(plan: PatchingPlan, measured: Measured, values: Float64Array) {
    this.points = plan.points;
    this.layers = plan.layers;
    this.positions = plan.positions;
    this.heads = plan.heads;
    this.direction = measured.direction;
    this.clean = measured.clean;
    this.corrupt = measured.corrupt;
    this.tokens = measured.tokens;
    this.values = values;
  }

  /** [points, layers, positions, heads]; 1 for an axis that was not split. */
  get shape(): [points: number, layers: number, positions: number, heads: number] {
    const { points, layers, positions, heads } = this;
    const across = positions === allAtOnce ? 1 : positions.length;
    return [points.length, layers.length, across, heads?.length ?? 1];
  }

  /** The grid as plain data, for `JSON.stringify`. */
  toJSON(): unknown {
    return plainJson({ ...this, shape: this.shape });
  }

  /**
   * The result of one cell.
   *
   * @throws ARGUMENT if the grid does not have the cell
   */
  at({ point, layer, position, head }: PatchPlace): PatchResult {
    const name = point !== undefined && Object.hasOwn(shortNames, point) ? shortOf(point) : point;
    const [, layers, positions, heads] = this.shape;
    const p = find("point", this.points, name);
    const l = find("layer", this.layers, layer);
    const t =
      this.positions === allAtOnce
        ? none("position", position)
        : find("position", this.positions, position);
    const h = this.heads === undefined ? none("head", head) : find("head", this.heads, head);
    const value = this.values[((p * layers + l) * positions + t) * heads + h] as number;
    const [from, to] =
      this.direction === "denoising" ? [this.corrupt, this.clean] : [this.clean, this.corrupt];
    const effect = value - from;
    return { value, effect, share: effect / (to - from) };
  }
}

function shortOf(point: string): string {
  return shortNames[point as keyof typeof shortNames];
}

function find<T extends string | number>(axis: string, among: readonly T[], wanted: T | undefined) {
  const index = wanted === undefined && among.length === 1 ? 0 : among.indexOf(wanted as T);
  if (index >= 0) return index;
  const near = typeof wanted === "string" ? closest(wanted, among.map(String)) : [];
  const hint = near.length > 0 ? ` (did you mean ${near[0]}?)` : "";
  throw argument("at", `one of ${among.join(", ")}`, axis, `${String(wanted)}${hint}`);
}

function none(axis: string, given: number | undefined): number {
  if (given === undefined) return 0;
  throw argument("at", `none (every ${axis} was exchanged at once)`, axis, given);
}
