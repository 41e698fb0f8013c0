import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";

/** The part of the model that runs. */
export interface LayerRange {
  /** Blocks start to stop − 1 run. */
  readonly start: number;
  readonly stop: number;
  /** Whether the run starts with the embedding. */
  readonly embeds: boolean;
  /** Whether the final norm and the unembedding run. */
  readonly completes: boolean;
}

/** The range of a run from its start; `stopAtLayer` is exclusive, negative from the end. */
export function resolveRange(
  caller: string,
  nLayers: number,
  start: { readonly layer: number; readonly tokens: Int32Array | undefined },
  stopAtLayer: number | undefined,
): LayerRange {
  const stop =
    stopAtLayer === undefined ? nLayers : layerOf(caller, "stopAtLayer", stopAtLayer, nLayers);
  if (stop < start.layer) {
    throw argument(caller, `at least startAtLayer (${start.layer})`, "stopAtLayer", stop);
  }
  const embeds = start.tokens !== undefined;
  return { start: start.layer, stop, embeds, completes: stopAtLayer === undefined };
}

/** Resolves `startAtLayer`, the block that a residual stream enters, negative from the end. */
export function startLayer(caller: string, value: number, nLayers: number): number {
  return layerOf(caller, "startAtLayer", value, nLayers);
}

function layerOf(caller: string, option: string, value: number, nLayers: number): number {
  const layer = value < 0 ? value + nLayers : value;
  if (Number.isInteger(layer) && layer >= 0 && layer <= nLayers) return layer;
  throw argument(caller, `an integer in [-${nLayers}, ${nLayers}]`, option, value, { nLayers });
}

/** Whether a point fires in a run over this range. */
export function fires(point: ResolvedPoint, range: LayerRange): boolean {
  if (point.layer !== null) return point.layer >= range.start && point.layer < range.stop;
  return point.name === "hook_embed" ? range.embeds : range.completes;
}

/** The shortest range in which all of these points fire; nothing after them runs. */
export function shortestRange(points: Iterable<ResolvedPoint>, range: LayerRange): LayerRange {
  let stop = range.start;
  let completes = false;
  for (const point of points) {
    if (point.layer !== null) stop = Math.max(stop, point.layer + 1);
    else if (point.name !== "hook_embed") completes = true;
  }
  return completes ? range : { ...range, stop: Math.min(stop, range.stop), completes: false };
}

/** Refuses a point that the run does not reach, as it would never fire. */
export function checkFires(
  caller: string,
  use: string,
  point: ResolvedPoint,
  range: LayerRange,
): void {
  if (fires(point, range)) return;
  const blocks =
    range.start < range.stop ? `blocks ${range.start} to ${range.stop - 1}` : "no block";
  throw argument(caller, `a point that the run reaches (${blocks})`, use, point.name, {
    point: point.name,
    start: range.start,
    stop: range.stop,
  });
}
