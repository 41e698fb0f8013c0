import { RowLayout } from "../coder/row-layout.js";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { CacheKey } from "../hooks/names.js";
import type { LoadedModelConfig } from "../model/model-core.js";
import { knownRows } from "../tensor/known-rows.js";
import type { Tensor } from "../tensor/tensor.js";

/** The cache of a run with any names. */
export interface AnyCache {
  /** The canonical names in the cache. */
  readonly names: readonly string[];
  /** Whether the cache has a name or key. */
  has(key: CacheKey): boolean;
  /** The activation of a name in the cache. */
  get(key: never): Tensor;
}

/** A cached activation by full name. NOT_FOUND with the remedy if it is missing. */
export function cached(caller: string, cache: AnyCache, name: string): Tensor {
  if (typeof cache?.has !== "function") {
    throw argument(caller, "the cache of a run", "cache", typeof cache);
  }
  if (cache.has(name)) return cache.get(name as never);
  throw new GemlensError(
    "NOT_FOUND",
    sentence(
      caller,
      `"${name}" in the cache`,
      null,
      `${cache.names.length} others`,
      "; name it in the `names` of runWithCache",
    ),
    { name, names: cache.names },
  );
}

/** The layout of the real tokens of a cached activation [batch, pos, ..]. */
export function layoutOf(activation: Tensor): RowLayout {
  const [batch = 0, pos = 0] = activation.shape;
  return new RowLayout(batch, pos, knownRows(activation, 2).mask);
}

/** Checks a list of layers, negative from the end. Default: all layers. */
export function checkLayers(
  caller: string,
  layers: readonly number[] | undefined,
  { nLayers }: LoadedModelConfig,
): number[] {
  if (layers === undefined) return Array.from({ length: nLayers }, (_, layer) => layer);
  if (!Array.isArray(layers) || layers.length === 0) {
    throw argument(caller, "a list of at least one layer", "layers", String(layers));
  }
  return layers.map((layer: number) => {
    const index = layer < 0 ? layer + nLayers : layer;
    if (Number.isInteger(index) && index >= 0 && index < nLayers) return index;
    throw argument(caller, `an integer in [-${nLayers}, ${nLayers})`, "a layer", layer, {
      nLayers,
    });
  });
}
