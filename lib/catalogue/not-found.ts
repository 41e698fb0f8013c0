import { GemlensError } from "../errors/gemlens-error.js";
import { closest } from "../hooks/closest.js";
import { releaseRecords } from "./catalogue-file.js";
import { type CoderEntry, entriesOf } from "./coder-entry.js";

/** Releases that people look for and that were never published, with the reason. */
const neverPublished: readonly (readonly [name: RegExp, reason: string])[] = [
  [
    /^gemma-scope-(9b|27b)-\w+-transcoders/,
    "Gemma Scope has transcoders for Gemma 2 2B alone (gemma-scope-2b-pt-transcoders)",
  ],
  [
    /^gemma-scope-27b-(?:pt|it)-(mlp|att)/,
    "Gemma Scope has only residual SAEs for Gemma 2 27B, at layers 10, 22 and 34 (gemma-scope-27b-pt-res)",
  ],
  [
    /^gemma-scope-(2b|27b)-it/,
    "Gemma Scope has instruction-tuned SAEs for Gemma 2 9B alone (gemma-scope-9b-it-res)",
  ],
  [
    /^gemma-scope-9b-it-(mlp|att)/,
    "Gemma Scope has only residual SAEs for Gemma 2 9B IT (gemma-scope-9b-it-res)",
  ],
  [
    /^gemma-scope-2-27b-pt-(mlp|att|transcoders)/,
    "Gemma Scope 2 has residual SAEs and gemma-scope-2-27b-pt-transcoders-all for Gemma 3 27B PT",
  ],
  [
    /^gemma-scope-2-.*(crosscoder|clt)/,
    "crosscoders and cross-layer transcoders have no release name: give the repository and the path, such as google/gemma-scope-2-1b-pt and clt/…",
  ],
];

/** NOT_FOUND for a release, with the nearest names and the reason if it is a known one. */
export function unknownRelease(caller: string, release: string): GemlensError {
  const names = [...releaseRecords().keys()];
  const reason = neverPublished.find(([name]) => name.test(release))?.[1];
  const near = closest(release, names);
  const remedy = [
    ...(reason === undefined ? [] : [reason]),
    ...(near.length === 0 ? [] : [`the nearest: ${near.join(", ")}`]),
    ...(reason === undefined && near.length === 0 ? ["listReleases() has all"] : []),
  ];
  return new GemlensError(
    "NOT_FOUND",
    `${caller}: expected a release of Gemma Scope for release, got ${JSON.stringify(release)}: ${remedy.join("; ")}`,
    { release, nearest: near, ...(reason !== undefined && { reason }) },
  );
}

/** NOT_FOUND for an id of a release, with the nearest ids and the reason. */
export function unknownId(caller: string, release: string, id: string): GemlensError {
  const list = entriesOf(release);
  const { layer, width, l0 } = partsOf(id);
  const ofLayer = list.filter((entry) => entry.layer === layer);
  const ofWidth = list.filter((entry) => entry.width === width);
  const both = ofLayer.filter((entry) => entry.width === width);
  const reason = reasonOf(release, { layer, width }, { ofLayer, ofWidth, both, list });
  const near = nearestIds(id, l0, both.length > 0 ? both : ofLayer.length > 0 ? ofLayer : list);
  return new GemlensError(
    "NOT_FOUND",
    `${caller}: expected a coder of ${release} for id, got ${JSON.stringify(id)}: ${reason}; the nearest: ${near.join(", ")}`,
    { release, id, nearest: near, reason },
  );
}

interface Asked {
  readonly layer: number | undefined;
  readonly width: string | undefined;
}

interface Found {
  readonly list: readonly CoderEntry[];
  readonly ofLayer: readonly CoderEntry[];
  readonly ofWidth: readonly CoderEntry[];
  readonly both: readonly CoderEntry[];
}

function reasonOf(release: string, { layer, width }: Asked, found: Found): string {
  const { list, ofLayer, ofWidth, both } = found;
  if (layer !== undefined && ofLayer.length === 0) {
    return `${release} has no layer ${layer}, only ${ranges(list)}`;
  }
  if (width !== undefined && ofWidth.length === 0) {
    return `${release} has no width ${width}, only ${widthsOf(list)}`;
  }
  if (width !== undefined && layer !== undefined && both.length === 0) {
    return `${release} has width ${width} at ${ranges(ofWidth)} only; layer ${layer} has ${widthsOf(ofLayer)}`;
  }
  if (both.length > 0) return `layer ${layer} at width ${width} has other coders`;
  return `ids look like ${list[0]?.id}`;
}

/** Layer, width and L0 of an id in either suite's form, as far as it has them. */
function partsOf(id: string): Asked & { readonly l0: number | undefined } {
  const layer = /layer_(\d+)/.exec(id)?.[1];
  const l0 = /average_l0_(\d+)/.exec(id)?.[1];
  return {
    layer: layer === undefined ? undefined : Number(layer),
    width: /width_(\d+[km])/.exec(id)?.[1],
    l0: l0 === undefined ? undefined : Number(l0),
  };
}

/** Up to three ids: by L0 if the id names one, else by spelling, else the first ones. */
function nearestIds(id: string, l0: number | undefined, list: readonly CoderEntry[]): string[] {
  if (l0 !== undefined) {
    return [...list]
      .sort((a, b) => Math.abs(a.l0 - l0) - Math.abs(b.l0 - l0))
      .slice(0, 3)
      .map((entry) => entry.id);
  }
  const ids = list.map((entry) => entry.id);
  const near = closest(id, ids);
  return near.length > 0 ? near : ids.slice(0, 3);
}

function widthsOf(list: readonly CoderEntry[]): string {
  const sorted = [...list].sort((a, b) => a.dSae - b.dSae);
  return [...new Set(sorted.map((entry) => entry.width))].join(", ");
}

/** "layers 10, 22, 34" or "layers 0 to 25". */
function ranges(list: readonly CoderEntry[]): string {
  const layers = [...new Set(list.flatMap(({ layer }) => layer ?? []))].sort((a, b) => a - b);
  const first = layers[0] ?? 0;
  const last = layers.at(-1) ?? 0;
  if (layers.length > 3 && last - first === layers.length - 1) return `layers ${first} to ${last}`;
  return `${layers.length === 1 ? "layer" : "layers"} ${layers.join(", ")}`;
}
