import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SAE, Transcoder } from "../../lib/index.js";

export type Site = "res" | "mlp" | "att" | "transcoders";
export interface Loaded {
  readonly site: Site;
  readonly layer: number;
  readonly coder: SAE | Transcoder;
  /** Relative to the bundled model's folder. */
  readonly path: string;
}

export const sites: readonly Site[] = ["res", "mlp", "att", "transcoders"];

/** Every coder of the bundled model, sites and layers in order. */
export async function loadCoders(folder: string): Promise<Loaded[]> {
  const out: Loaded[] = [];
  for (const site of sites) {
    for (let layer = 0; ; layer++) {
      const path = find(join("gemma-scope", site, `layer_${layer}`), folder);
      if (path === undefined) break;
      const file = join(folder, path);
      const coder =
        site === "transcoders" ? await Transcoder.fromFile(file) : await SAE.fromFile(file);
      out.push({ site, layer, coder, path });
    }
  }
  return out;
}

/** The only params.npz below width_W/average_l0_X. */
function find(path: string, root: string): string | undefined {
  if (path.endsWith(".npz")) return path;
  if (!existsSync(join(root, path))) return undefined;
  const [entry] = readdirSync(join(root, path)).sort();
  return entry === undefined ? undefined : find(join(path, entry), root);
}
