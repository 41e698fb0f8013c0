import { resolve } from "node:path";
import { parseCachedPath } from "../hub/cache-layout.js";

/** The site in the model that a coder reads, or "transcoder". */
export type CoderSite = "resid_post" | "mlp_out" | "attn_z" | "embedding" | "transcoder";

/** Metadata of a coder inferred from its path and config.json; unknown keys are absent. */
export interface CoderGuess {
  /** Its collection. */
  readonly suite?: "gemma-scope" | "gemma-scope-2";
  /** The site in a block that it reads. */
  readonly site?: CoderSite;
  /** The block, counted from 0. */
  readonly layer?: number;
  /** The width in the folder's name: `16k`, `1m`. */
  readonly width?: string;
  /** Mean number of active features, as published. */
  readonly l0?: number;
  /** The hook whose tensor it reads. */
  readonly hookName?: string;
  /** For transcoders: the hook whose tensor they predict. */
  readonly hookNameOut?: string;
  /** Published name without its owner, e.g. `gemma-2-2b`. */
  readonly modelName?: string;
}

/** `CoderGuess` with writable keys, for building one. */
export type Draft = { -readonly [K in keyof CoderGuess]: CoderGuess[K] };

const repository =
  /(?:^|--)gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)(?:-canonical)?$/;

// {site}/layer_{L}/width_{W}/average_l0_{X}/params.npz. A folder "res" further up has another meaning.
const plainDepth = 4;

const sites: ReadonlyMap<string, CoderSite> = new Map([
  ["res", "resid_post"],
  ["mlp", "mlp_out"],
  ["att", "attn_z"],
  ["embedding", "embedding"],
  ["transcoder", "transcoder"],
  ["transcoders", "transcoder"],
]);

/**
 * Parses a Gemma Scope 1 path: `…/layer_{L}/width_{W}/average_l0_{X}/params.npz` or
 * `…/embedding/width_4k/average_l0_{X}/params.npz`, under the published repository's folder (plain,
 * or as the Hugging Face cache names it) or a folder named res, mlp, att or transcoders.
 */
export function guessFromPath(path: string): CoderGuess {
  const draft: Draft = {};
  // The innermost folder with information wins.
  const parts = resolve(path).split("/").reverse();
  for (const [depth, part] of parts.entries()) {
    const layer = /^layer_(\d{1,4})$/.exec(part)?.[1];
    const width = /^width_(\w+)$/.exec(part)?.[1];
    const l0 = /^average_l0_(\d+(?:\.\d+)?)$/.exec(part)?.[1];
    const published = repository.exec(part);
    if (layer !== undefined) draft.layer ??= Number(layer);
    if (width !== undefined) draft.width ??= width;
    if (l0 !== undefined) draft.l0 ??= Number(l0);
    const plain = depth <= plainDepth ? part : "";
    const site = sites.get(published?.[3] ?? plain);
    if (site) draft.site ??= site;
    if (published) {
      draft.suite ??= "gemma-scope";
      draft.modelName ??= `gemma-2-${published[1]}${published[2] === "it" ? "-it" : ""}`;
    }
  }
  if (draft.site !== undefined && draft.l0 !== undefined) draft.suite ??= "gemma-scope";
  return { ...draft, ...hooksOf(draft) };
}

/** TransformerLens' hook names for Gemma Scope 1's sites. */
function hooksOf({ site, layer }: CoderGuess): { hookName?: string; hookNameOut?: string } {
  if (site === "embedding") return { hookName: "hook_embed" };
  if (layer === undefined) return {};
  const block = `blocks.${layer}`;
  switch (site) {
    case "resid_post":
      return { hookName: `${block}.hook_resid_post` };
    case "mlp_out":
      return { hookName: `${block}.hook_mlp_out` };
    case "attn_z":
      return { hookName: `${block}.attn.hook_z` };
    case "transcoder": // It reads the norm's output without the gain.
      return {
        hookName: `${block}.ln2.hook_normalized`,
        hookNameOut: `${block}.hook_mlp_out`,
      };
    default:
      return {};
  }
}

/** A coder's names in SAELens' catalogue. */
export interface PublishedCoder {
  /** Such as `gemma-scope-2b-pt-res`. */
  readonly release: string;
  /** Such as `layer_20/width_16k/average_l0_71`. */
  readonly saeId: string;
}

/** Gemma Scope 2's folders → suffixes of releases. */
const releaseSuffixes: Readonly<Record<string, string>> = {
  resid_post: "res",
  mlp_out: "mlp",
  attn_out: "att",
  transcoder: "transcoders",
};

/**
 * The release and id of a coder in the Hugging Face cache with the path that Google published; undefined
 * for any other path.
 */
export function publishedAs(path: string): PublishedCoder | undefined {
  const { owner, name = "", path: file = "" } = parseCachedPath(path) ?? {};
  if (owner !== "google") return undefined;
  const inside = file.replace(/\/params\.(?:npz|safetensors)$/, "");
  if (/^gemma-scope-2-\w+-(?:pt|it)$/.test(name)) {
    const [, folder = "", all = "", leaf = ""] =
      /^(\w+?)(_all)?\/(layer_\d+_width_\w+)$/.exec(inside) ?? [];
    const suffix = Object.hasOwn(releaseSuffixes, folder) ? releaseSuffixes[folder] : undefined;
    if (suffix === undefined) return undefined;
    // Only these ids include the folder.
    const saeId = folder === "transcoder" && all === "" ? `${folder}/${leaf}` : leaf;
    return { release: `${name}-${suffix}${all.replace("_", "-")}`, saeId };
  }
  const known = repository.test(`--${name}`) && !name.endsWith("-canonical");
  const valid = /^(?:layer_\d+|embedding)\/width_\w+\/average_l0_[\d.]+$/.test(inside);
  return known && valid ? { release: name, saeId: inside } : undefined;
}
