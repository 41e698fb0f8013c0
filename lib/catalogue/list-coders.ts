import { argument, checkOptions } from "../errors/check-options.js";
import { releaseRecords } from "./catalogue-file.js";
import { type CoderEntry, entriesOf, type L0Size } from "./coder-entry.js";
import { unknownRelease } from "./not-found.js";
import { checkKind } from "./releases.js";

/** Options for `listCoders`: each one given narrows the list. */
export interface ListCodersOptions {
  /** A block, from 0. */
  readonly layer?: number | undefined;
  /** As published: `16k`, `1m`. */
  readonly width?: string | undefined;
  /**
   * A number: of each layer, width and variant the coder with the nearest L0 (the smaller of two
   * equally near ones). `"canonical"`: those of the `-canonical` release, with L0s near 100
   * (Gemma Scope). `"small"`, `"medium"` or `"big"`: Gemma Scope 2's size classes.
   */
  readonly l0?: number | "canonical" | L0Size | undefined;
  /** A kind of coder. */
  readonly kind?: CoderEntry["kind"] | undefined;
  /** List the variants trained from another seed too. Default false. */
  readonly seeds?: boolean | undefined;
}

const sizes: readonly unknown[] = ["small", "medium", "big"];

/**
 * The coders of a release that match all options, by layer, width and L0.
 *
 * @example
 * const [entry] = listCoders("gemma-scope-2b-pt-res", { layer: 20, width: "16k", l0: 70 });
 * console.log(entry?.id); // layer_20/width_16k/average_l0_71
 *
 * @throws NOT_FOUND if the release is unknown; names the nearest
 * @throws ARGUMENT if an option or its value is unknown, or the release's suite has no such L0
 */
export function listCoders(release: string, options: ListCodersOptions = {}): CoderEntry[] {
  const caller = "listCoders";
  checkOptions(caller, options, ["layer", "width", "l0", "kind", "seeds"]);
  const { layer, width, l0, kind, seeds = false } = options;
  if (!releaseRecords().has(release)) throw unknownRelease(caller, release);
  checkKind(caller, kind);
  if (layer !== undefined && !Number.isInteger(layer)) {
    throw argument(caller, "an integer", "layer", layer);
  }
  const list = withL0(caller, release, l0)
    .filter((entry) => seeds || entry.seed === null)
    .filter((entry) => layer === undefined || entry.layer === layer)
    .filter((entry) => width === undefined || entry.width === width)
    .filter((entry) => kind === undefined || entry.kind === kind);
  return typeof l0 === "number" ? nearest(list, l0) : list;
}

/** The coders of a release in an L0 class. */
function withL0(
  caller: string,
  release: string,
  l0: ListCodersOptions["l0"],
): readonly CoderEntry[] {
  const all = entriesOf(release);
  if (l0 === undefined) return all;
  if (typeof l0 === "number") {
    if (Number.isFinite(l0)) return all;
    throw argument(caller, "a finite number", "l0", l0);
  }
  if (l0 === "canonical") {
    const canonical = release.endsWith("-canonical") ? release : `${release}-canonical`;
    if (releaseRecords().has(canonical)) return entriesOf(canonical);
    throw argument(caller, "a number or a size class (no canonical coders)", "l0", l0, { release });
  }
  if (!sizes.includes(l0)) {
    throw argument(caller, 'a number, "canonical", "small", "medium" or "big"', "l0", l0);
  }
  if (all[0]?.suite === 2) return all.filter((entry) => entry.l0Size === l0);
  throw argument(caller, 'a number or "canonical" (size classes are Gemma Scope 2\'s)', "l0", l0, {
    release,
  });
}

/** Of each layer, width and variant the entry with the nearest L0. */
function nearest(list: readonly CoderEntry[], l0: number): CoderEntry[] {
  const best = new Map<string, CoderEntry>();
  for (const entry of list) {
    const key = [entry.layer, entry.width, entry.affine, entry.seed].join(" ");
    const known = best.get(key);
    if (known === undefined || Math.abs(entry.l0 - l0) < Math.abs(known.l0 - l0)) {
      best.set(key, entry);
    }
  }
  return [...best.values()];
}
