import { parseHookName } from "../hooks/parse-hook-name.js";

/** A hook whose tensor a coder reads or writes. */
export interface Site {
  /** The hook's name in the cache. */
  readonly hookName: string;
  /** The hook's block; undefined for `hook_embed`. */
  readonly layer: number | undefined;
  /** Numbers for each position: d_model, or heads · d_head for attention. */
  readonly width: number;
}

/** The block of a hook; undefined outside the blocks. */
export function layerOf(hookName: string): number | undefined {
  return parseHookName(hookName).layer ?? undefined;
}

export function siteAt(hookName: string, width: number): Site {
  return Object.freeze({ hookName, layer: layerOf(hookName), width });
}

/** The hooks that a coder reads and rebuilds, for messages and JSON. */
export function hooksOf({ reads, writes }: { reads: readonly Site[]; writes: readonly Site[] }) {
  return { hookName: siteNames(reads), hookNameOut: siteNames(writes) };
}

/** Formats sites for a message: up to three in full, else the first and the last. */
export function siteNames(sites: readonly Site[]): string {
  const names = sites.map(({ hookName }) => hookName);
  return names.length <= 3 ? names.join(", ") : `${names[0]}, …, ${names.at(-1)}`;
}
