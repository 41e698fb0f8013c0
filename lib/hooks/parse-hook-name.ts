import { globalAliases, globalPoints, lastResidualAlias } from "./points.js";

/** The parts of a name: a layer and a point of its block, or a point of the whole model. */
export interface HookNameParts {
  /** Null for a name without "blocks.L." */
  readonly layer: number | null;
  /** The name after "blocks.L.", or else the whole name. */
  readonly point: string;
}

/** The parts of a short key: "resid_post20" or "scale3ln1". */
export interface ShortKeyParts {
  readonly short: string;
  readonly layer: number;
  readonly norm: string | undefined;
}

/** Splits `blocks.L.point`, also of a weight's name. It checks neither the layer nor the point. */
export function parseHookName(name: string): HookNameParts {
  const [, layer, point] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (layer === undefined || point === undefined) return { layer: null, point: name };
  return { layer: Number(layer), point };
}

/** Splits a short key that contains its layer; undefined for any other text. */
export function parseShortKey(key: string): ShortKeyParts | undefined {
  const [, short, layer, norm] = /^([a-z_]+)(\d+)(ln\w+)?$/.exec(key) ?? [];
  if (short === undefined || layer === undefined) return undefined;
  return { short, layer: Number(layer), norm };
}

/** Whether a name is full: it begins with "blocks.", or names a point of the whole model. */
export function isFullName(name: string): boolean {
  return (
    name.startsWith("blocks.") ||
    Object.hasOwn(globalPoints, name) ||
    Object.hasOwn(globalAliases, name) ||
    name === lastResidualAlias
  );
}
