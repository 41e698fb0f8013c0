import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { native } from "../native/call.js";
import { closest } from "./closest.js";
import type { HookKey } from "./names.js";
import { parseHookName, parseShortKey } from "./parse-hook-name.js";
import {
  blockAliases,
  blockNorms,
  blockPoints,
  globalAliases,
  globalPoints,
  globalShortNames,
  lastResidualAlias,
  qkNormAliases,
  qkNormPoints,
  shortNames,
} from "./points.js";

/** A hook point of a model. */
export interface ResolvedPoint {
  /** The native id. */
  readonly id: number;
  /** The canonical name, under which the cache stores it. */
  readonly name: string;
  readonly layer: number | null;
  readonly axes: readonly string[];
}

/** The hook points of a model with `nLayers` blocks, found by every accepted name. */
export class HookTable {
  /** Every canonical name: the model's own first, then block by block in order of firing. */
  readonly allNames: readonly string[];
  readonly nLayers: number;
  readonly #qkNorm: boolean;
  readonly #points = new Map<string, ResolvedPoint>();

  constructor(
    nLayers: number,
    qkNorm: boolean,
    ids: {
      readonly global: readonly string[];
      readonly block: readonly string[];
    } = native().hookPoints(),
  ) {
    this.nLayers = nLayers;
    this.#qkNorm = qkNorm;
    checkSame("global", ids.global, Object.keys(globalPoints));
    checkSame("block", ids.block, Object.keys(blockPoints));
    ids.global.forEach((name, i) => {
      this.#enter({ id: i, name, layer: null, axes: axesIn(globalPoints, name) });
    });
    for (let layer = 0; layer < nLayers; layer++) {
      ids.block.forEach((suffix, i) => {
        if (!qkNorm && qkNormPoints.has(suffix)) return;
        this.#enter({
          id: ids.global.length + layer * ids.block.length + i,
          name: `blocks.${layer}.${suffix}`,
          layer,
          axes: axesIn(blockPoints, suffix),
        });
      });
    }
    this.allNames = [...this.#points.keys()];
  }

  /**
   * The point that `key` names: a full name, an alias of it, TransformerLens' short form ["resid_post",
   * 20], ["scale", 3, "ln1"], ["embed"] (a negative layer counts from the end), or "resid_post20",
   * "scale3ln1".
   *
   * @throws NOT_FOUND if there is no such point; names the closest ones, or the range of layers
   */
  resolve(key: HookKey, caller = "hook"): ResolvedPoint {
    const name = typeof key === "string" ? key : this.#expand(key, caller);
    const found = this.#points.get(name) ?? this.#find(name, caller);
    if (found !== undefined) return found;
    const near = closest(name, this.#candidates(name));
    const hint = near.length > 0 ? `; did you mean ${near.map((n) => `"${n}"`).join(", ")}?` : "";
    throw new GemlensError(
      "NOT_FOUND",
      sentence(caller, "the name of a hook point", null, JSON.stringify(name.slice(0, 100)), hint),
      { name, suggestions: near },
    );
  }

  #enter(point: ResolvedPoint): void {
    this.#points.set(point.name, Object.freeze(point));
  }

  #find(name: string, caller: string): ResolvedPoint | undefined {
    if (Object.hasOwn(globalAliases, name)) {
      return this.#points.get(globalAliases[name as keyof typeof globalAliases]);
    }
    if (name === lastResidualAlias)
      return this.#inBlock(this.nLayers - 1, "hook_resid_post", name, caller);
    const { layer, point } = parseHookName(name);
    if (layer !== null) {
      const known = Object.hasOwn(blockPoints, point) || Object.hasOwn(blockAliases, point);
      return known ? this.#inBlock(layer, point, name, caller) : undefined;
    }
    if (Object.hasOwn(globalShortNames, name)) {
      return this.#points.get(globalShortNames[name as keyof typeof globalShortNames]);
    }
    const key = parseShortKey(name);
    const suffix = key === undefined ? undefined : suffixOf(key.short, key.norm);
    if (key === undefined || suffix === undefined) return undefined;
    return this.#inBlock(key.layer, suffix, name, caller);
  }

  #inBlock(layer: number, suffix: string, name: string, caller: string): ResolvedPoint | undefined {
    if (layer >= this.nLayers) throw this.#layerError(layer, name, caller);
    if (!this.#qkNorm && (qkNormPoints.has(suffix) || qkNormAliases.has(suffix))) {
      throw new GemlensError(
        "NOT_FOUND",
        `${caller}: "${name}" exists in Gemma 3 only: this model does not normalise queries and keys`,
        { name },
      );
    }
    const point = Object.hasOwn(blockAliases, suffix)
      ? blockAliases[suffix as keyof typeof blockAliases]
      : suffix;
    return this.#points.get(`blocks.${layer}.${point}`);
  }

  #expand(key: Exclude<HookKey, string>, caller: string): string {
    const [short, layer, norm] = Array.isArray(key) ? (key as readonly unknown[]) : [];
    const shown = JSON.stringify(key) ?? String(key);
    if (typeof short === "string" && layer === undefined) return short;
    const suffix = typeof short === "string" ? suffixOf(short, norm) : undefined;
    if (suffix === undefined) {
      const known = [...Object.keys(shortNames), "scale", "normalized"];
      const near = known.some((name) => name === short) ? [] : closest(String(short), known);
      const hint = near.length > 0 ? `; did you mean "${near[0]}"?` : "";
      throw new GemlensError(
        "NOT_FOUND",
        sentence(
          caller,
          `[short name, layer] or ["scale" | "normalized", layer, ${blockNorms.map((n) => `"${n}"`).join(" | ")}]`,
          "a key",
          shown,
          hint,
        ),
        { key, suggestions: near },
      );
    }
    if (!Number.isInteger(layer)) throw this.#layerError(layer, shown, caller);
    const index = (layer as number) < 0 ? this.nLayers + (layer as number) : (layer as number);
    if (index < 0 || index >= this.nLayers) throw this.#layerError(layer, shown, caller);
    return `blocks.${index}.${suffix}`;
  }

  #layerError(layer: unknown, name: string, caller: string): GemlensError {
    return new GemlensError(
      "NOT_FOUND",
      sentence(caller, `a layer of 0 to ${this.nLayers - 1}`, name, String(layer)),
      { name, layer, nLayers: this.nLayers },
    );
  }

  /** Names to suggest, with the requested layer if it exists, else layer 0. */
  #candidates(name: string): string[] {
    const asked = Number(/\d+/.exec(name)?.[0] ?? 0);
    const layer = asked < this.nLayers ? asked : 0;
    const suffixes = [...Object.keys(blockPoints), ...Object.keys(blockAliases)].filter(
      (suffix) => this.#qkNorm || !(qkNormPoints.has(suffix) || qkNormAliases.has(suffix)),
    );
    return [
      ...Object.keys(globalPoints),
      ...Object.keys(globalAliases),
      lastResidualAlias,
      ...suffixes.map((suffix) => `blocks.${layer}.${suffix}`),
      ...Object.keys(shortNames).map((short) => `${short}${layer}`),
    ];
  }
}

function suffixOf(short: string, norm: unknown): string | undefined {
  if (short === "scale" || short === "normalized") {
    return blockNorms.some((known) => known === norm) ? `${String(norm)}.hook_${short}` : undefined;
  }
  if (norm !== undefined || !Object.hasOwn(shortNames, short)) return undefined;
  return shortNames[short as keyof typeof shortNames];
}

function axesIn(points: Readonly<Record<string, readonly string[]>>, name: string) {
  return points[name] ?? [];
}

function checkSame(kind: string, theirs: readonly string[], ours: readonly string[]): void {
  const missing = ours.filter((name) => !theirs.includes(name));
  const extra = theirs.filter((name) => !ours.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  throw new GemlensError(
    "INTERNAL",
    `hook: the native core does not fit this version: of the ${kind} points it lacks [${missing}], adds [${extra}]`,
    { missing, extra },
  );
}
