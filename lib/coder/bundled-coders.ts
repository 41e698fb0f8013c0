import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { z } from "zod";
import { bundledFolder } from "../checkpoint/bundled-model.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { SAE } from "./sae.js";
import { Transcoder } from "./transcoder.js";

const row = z.object({
  class: z.string(),
  relation: z.enum(["token", "next", "promotes"]),
  layer: z.number().int(),
  index: z.number().int(),
  score: z.number(),
  maxActivation: z.number(),
  coder: z.string(),
});

/** The meaning of one feature of a bundled coder, as measured on held-out text. */
export interface BundledFeature {
  /** Its index. */
  readonly feature: number;
  /** The class of words, such as "colours". */
  readonly class: string;
  /** Whether it fires on such words, fires just before them, or makes them more probable. */
  readonly relation: "token" | "next" | "promotes";
  /** Confidence in the relation, 0 to 1. */
  readonly score: number;
  /** Its largest activation on held-out text. */
  readonly maxActivation: number;
}

/** The site of a bundled coder: residual stream, attention heads, MLP output, or the whole MLP. */
export type BundledSite = "res" | "att" | "mlp" | "transcoder";

/** A coder of the bundled model. */
export interface BundledCoder<Loaded extends SAE | Transcoder = SAE | Transcoder> {
  /** The class that loads it. */
  readonly kind: "sae" | "transcoder";
  /** Its site. */
  readonly site: BundledSite;
  /** The block. */
  readonly layer: number;
  /** Its file, for `SAE.fromFile` or `Transcoder.fromFile`. */
  readonly path: string;
  /** The hook that it reads. */
  readonly hookName: string;
  /** The hook that it rebuilds. */
  readonly hookNameOut: string;
  /** Number of features. */
  readonly dSae: number;
  /** Mean number of active features per token. */
  readonly l0: number;
  /** Its named features, highest score first. */
  readonly features: readonly BundledFeature[];
  /** Loads the coder; throws as `SAE.fromFile`. */
  load(options?: Parameters<typeof SAE.fromFile>[1]): Promise<Loaded>;
}

/** Options for `bundledCoders`. */
export interface BundledFilter<Site extends BundledSite = BundledSite> {
  /** Default: all sites. */
  readonly site?: Site | undefined;
  /** Default: all blocks. */
  readonly layer?: number | undefined;
}

type LoadedAt<Site extends BundledSite> = Site extends "transcoder" ? Transcoder : SAE;

const hooks: Readonly<Record<BundledSite, readonly [reads: string, rebuilds: string]>> = {
  res: ["hook_resid_post", "hook_resid_post"],
  att: ["attn.hook_z", "attn.hook_z"],
  mlp: ["hook_mlp_out", "hook_mlp_out"],
  transcoder: ["ln2.hook_normalized", "hook_mlp_out"],
};

/**
 * Lists the coders of the bundled model "tiny" by site, then by layer. It reads only names;
 * `load()` loads a coder.
 *
 * @example
 * for (const { layer, dSae, features } of bundledCoders({ site: "res" })) {
 *   console.log(layer, dSae, features[0]?.class);
 * }
 *
 * @throws ARGUMENT if the site is unknown; NOT_FOUND if the package lacks its model
 */
export function bundledCoders<Site extends BundledSite = BundledSite>(
  filter: BundledFilter<Site> = {},
): BundledCoder<LoadedAt<Site>>[] {
  const caller = "bundledCoders";
  checkOptions(caller, filter, ["site", "layer"]);
  const { site: wanted, layer } = filter;
  const sites = Object.keys(hooks) as BundledSite[];
  if (wanted !== undefined && !sites.includes(wanted)) {
    throw argument(caller, sites.map((site) => `"${site}"`).join(", "), "site", String(wanted));
  }
  const root = bundledFolder(caller);
  const named = loadFeatureNames(root);
  return sites
    .filter((site) => wanted === undefined || site === wanted)
    .flatMap((site) => entriesOf(root, site, named))
    .filter((entry) => layer === undefined || entry.layer === layer) as never;
}

/**
 * Finds one coder of the bundled model "tiny".
 *
 * @example
 * using sae = await bundledCoder({ layer: 2 }).load();
 * console.log(sae.cfg.hookName); // blocks.2.hook_resid_post
 *
 * @throws NOT_FOUND if the layer does not exist; as {@link bundledCoders}
 */
export function bundledCoder<Site extends BundledSite = "res">(where: {
  /** Default "res". */
  readonly site?: Site | undefined;
  /** The block. */
  readonly layer: number;
}): BundledCoder<LoadedAt<Site>> {
  const all = bundledCoders<Site>({ site: "res" as Site, ...where });
  const [entry] = all;
  if (entry !== undefined && where?.layer !== undefined) return entry;
  const known = bundledCoders({ site: where?.site ?? "res" }).map(({ layer }) => layer);
  throw new GemlensError(
    "NOT_FOUND",
    sentence("bundledCoder", `one of ${known.join(", ")}`, "layer", where?.layer),
    { known },
  );
}

function entriesOf(
  root: string,
  site: BundledSite,
  named: ReadonlyMap<string, readonly BundledFeature[]>,
): BundledCoder[] {
  const folder = join(root, "gemma-scope", site === "transcoder" ? "transcoders" : site);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith("params.npz"))
    .map((file) => {
      const path = join(folder, file);
      const [layer = 0, width = 0, l0 = 0] =
        /layer_(\d+)\Wwidth_(\d+)k?\Waverage_l0_(\d+)/.exec(file)?.slice(1).map(Number) ?? [];
      const [reads, rebuilds] = hooks[site];
      const isTranscoder = site === "transcoder";
      return {
        kind: isTranscoder ? ("transcoder" as const) : ("sae" as const),
        site,
        layer,
        path,
        hookName: `blocks.${layer}.${reads}`,
        hookNameOut: `blocks.${layer}.${rebuilds}`,
        dSae: /width_\d+k/.test(file) ? 1024 * width : width,
        l0,
        features: named.get(relative(root, path).split(sep).join("/")) ?? [],
        load: (options: Parameters<typeof SAE.fromFile>[1] = {}) =>
          isTranscoder ? Transcoder.fromFile(path, options) : SAE.fromFile(path, options),
      };
    })
    .sort((a, b) => a.layer - b.layer);
}

/** The named features by their coder's file, highest score first. */
function loadFeatureNames(root: string): ReadonlyMap<string, readonly BundledFeature[]> {
  const rows = z.array(row).parse(JSON.parse(readFileSync(join(root, "features.json"), "utf8")));
  rows.sort((a, b) => b.score - a.score);
  const named = new Map<string, BundledFeature[]>();
  for (const { coder, index, layer: _, ...rest } of rows) {
    named.set(coder, [...(named.get(coder) ?? []), { feature: index, ...rest }]);
  }
  return named;
}
