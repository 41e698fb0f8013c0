import { type ReleaseRecord, releaseRecords } from "./catalogue-file.js";

/** The size classes of Gemma Scope 2's L0: 10–20, about 60, and 60–150 active features. */
export type L0Size = "small" | "medium" | "big";

/** A published coder. */
export interface CoderEntry {
  /** SAELens' name of the release, such as `gemma-scope-2b-pt-res`. */
  readonly release: string;
  /** SAELens' id in the release, such as `layer_20/width_16k/average_l0_71`. */
  readonly id: string;
  /** The Hugging Face repository. */
  readonly repo: string;
  /** The coder's folder in the repository. */
  readonly path: string;
  /** The kind of coder; "clt" is a cross-layer transcoder. */
  readonly kind: "sae" | "transcoder" | "crosscoder" | "clt";
  /** 1 for Gemma Scope (Gemma 2), 2 for Gemma Scope 2 (Gemma 3). */
  readonly suite: 1 | 2;
  /** The Hugging Face model that it reads, such as `google/gemma-2-2b`. */
  readonly model: string;
  /** The block it reads, from 0; null for a coder of the embedding. */
  readonly layer: number | null;
  /** As published: `16k`, `1m`. */
  readonly width: string;
  /** The number of features. */
  readonly dSae: number;
  /** The published mean number of active features. */
  readonly l0: number;
  /** Gemma Scope 2: the size class of the L0; null in Gemma Scope. */
  readonly l0Size: L0Size | null;
  /** The hook whose tensor it reads. */
  readonly hookName: string;
  /** The hook whose tensor it writes; `hookName` for an SAE. */
  readonly hookNameOut: string;
  /** Whether it has an affine skip connection. */
  readonly affine: boolean;
  /** Gemma Scope 2: the seed of a retrained variant, else null. */
  readonly seed: number | null;
  /** Neuronpedia's `model/source`, or null where Neuronpedia has no page. */
  readonly neuronpediaId: string | null;
}

const widths: Readonly<Record<string, number>> = {
  "4k": 2 ** 12,
  "16k": 2 ** 14,
  "32k": 2 ** 15,
  "65k": 2 ** 16,
  "131k": 2 ** 17,
  "262k": 2 ** 18,
  "524k": 2 ** 19,
  "1m": 2 ** 20,
};

/**
 * The hooks that the coders of a site read and write, by release name (facts of the published
 * configurations: Gemma Scope's transcoders read the norm's output without its gain, those of
 * Gemma Scope 2 with it).
 */
const sites: Readonly<
  Record<
    string,
    { readonly reads: readonly [suite1: string, suite2: string]; readonly writes?: string }
  >
> = {
  res: { reads: ["hook_resid_post", "hook_resid_post"] },
  mlp: { reads: ["hook_mlp_out", "hook_mlp_out"] },
  att: { reads: ["attn.hook_z", "attn.hook_z"] },
  transcoders: { reads: ["ln2.hook_normalized", "mlp.hook_in"], writes: "hook_mlp_out" },
};

const entries = new Map<string, readonly CoderEntry[]>();

/** The coders of a release by layer, width and L0; empty for an unknown release. */
export function entriesOf(release: string): readonly CoderEntry[] {
  const record = releaseRecords().get(release);
  if (record === undefined) return [];
  let list = entries.get(release);
  if (list === undefined) {
    list = expand(release, record);
    entries.set(release, list);
  }
  return list;
}

/** The suite of a release: 2 if its coders lie in one of Gemma Scope 2's folders. */
export function suiteOf(record: ReleaseRecord): 1 | 2 {
  return record.folder === undefined ? 1 : 2;
}

/** The site that a release's name says: `res`, `mlp`, `att` or `transcoders`. */
export function siteOf(release: string): string {
  return /-(res|mlp|att|transcoders)(?:-all|-canonical)?$/.exec(release)?.[1] ?? "res";
}

function expand(release: string, record: ReleaseRecord): CoderEntry[] {
  const list = Object.entries(record.sets).flatMap(([set, layers]) => {
    return Object.entries(layers).flatMap(([layer, l0s]) => {
      return l0s.map((l0) => entryOf(release, record, set, layer, l0));
    });
  });
  return list.sort(
    (a, b) => (a.layer ?? -1) - (b.layer ?? -1) || a.dSae - b.dSae || a.l0 - b.l0 || compare(a, b),
  );
}

function compare(a: CoderEntry, b: CoderEntry): number {
  return a.id < b.id ? -1 : 1;
}

function entryOf(
  release: string,
  record: ReleaseRecord,
  set: string,
  layer: string,
  l0: number,
): CoderEntry {
  const [width = "", size] = set.split(" ");
  const suite = suiteOf(record);
  const path = suite === 1 ? firstPath(layer, width, l0) : secondPath(record, layer, width, size);
  const id = idOf(record, path, width, layer);
  const { reads, writes } = sites[siteOf(release)] as (typeof sites)[string];
  const block = layer === "embedding" ? undefined : `blocks.${layer}`;
  const hookName = block === undefined ? "hook_embed" : `${block}.${reads[suite - 1]}`;
  return {
    release,
    id,
    repo: record.repo,
    path,
    kind: writes === undefined ? "sae" : "transcoder",
    suite,
    model: record.model,
    layer: block === undefined ? null : Number(layer),
    width,
    dSae: widths[width] as number,
    l0,
    l0Size: (size?.split("_")[0] as L0Size | undefined) ?? null,
    hookName,
    hookNameOut: writes === undefined ? hookName : `${block}.${writes}`,
    affine: /_affine/.test(size ?? ""),
    seed: Number(/_seed_(\d+)/.exec(size ?? "")?.[1]) || null,
    neuronpediaId: neuronpediaOf(record, id, layer, width, l0),
  };
}

function firstPath(layer: string, width: string, l0: number): string {
  const block = layer === "embedding" ? layer : `layer_${layer}`;
  return `${block}/width_${width}/average_l0_${l0}`;
}

function secondPath(
  { folder }: ReleaseRecord,
  layer: string,
  width: string,
  size?: string,
): string {
  return `${folder}/layer_${layer}_width_${width}_l0_${size}`;
}

function idOf(record: ReleaseRecord, path: string, width: string, layer: string): string {
  if (record.canonical) return `layer_${layer}/width_${width}/canonical`;
  if (record.folder === undefined || record.idsHaveFolder) return path;
  return path.slice(record.folder.length + 1);
}

function neuronpediaOf(
  { neuronpedia }: ReleaseRecord,
  id: string,
  layer: string,
  width: string,
  l0: number,
): string | null {
  const found = neuronpedia.find(({ ids }) => ids === "all" || ids.includes(id));
  if (found === undefined) return null;
  return found.form.replace("{layer}", layer).replace("{width}", width).replace("{l0}", `${l0}`);
}
