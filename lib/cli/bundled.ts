import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { GemlensError } from "../errors/index.js";
import { resolveModel } from "../model/resolve-model.js";
import type { Site } from "./feature-spec.js";

const row = z.object({
  /** Of words, in the bundled classes.json. */
  class: z.string(),
  /** Fires on such words, fires just before them, or makes them more probable. */
  relation: z.enum(["token", "next", "promotes"]),
  layer: z.number().int(),
  index: z.number().int(),
  /** How surely, 0 to 1. */
  score: z.number(),
  /** Its largest activation on held-out text. */
  maxActivation: z.number(),
  /** The coder's file, in the model's folder. */
  coder: z.string(),
});

/** What one feature of a bundled coder stands for, as measured on held-out text. */
export type NamedFeature = Readonly<z.infer<typeof row>>;

/** Whether a model's name means the one that comes with gemlens. */
export function isBundled(model: string): boolean {
  return model === "tiny" || model === "gemlens/tiny-gemma2";
}

export function bundledFolder(): string {
  return resolveModel("tiny");
}

/** The files of the bundled coders of a site (residual ones by default), layer by layer. */
export function bundledCoders(site: Site = "res"): string[] {
  return readdirSync(folderOf(site)).map((_, layer) => bundledCoder(layer, site));
}

function folderOf(site: Site): string {
  const folder = site === "transcoder" ? "transcoders" : site;
  return join(bundledFolder(), "gemma-scope", folder);
}

/** The file of a layer's bundled coder. NOT_FOUND naming the layers there are. */
export function bundledCoder(layer: number, site: Site = "res"): string {
  const folder = folderOf(site);
  const layers = existsSync(folder) ? readdirSync(folder) : [];
  if (!layers.includes(`layer_${layer}`)) {
    const known = layers.map((name) => name.replace("layer_", "")).sort();
    throw new GemlensError(
      "NOT_FOUND",
      `coders: expected one of ${known.join(", ") || "none"} for layer, got ${layer}`,
      { layer, known },
    );
  }
  return onlyFile(join(folder, `layer_${layer}`));
}

/** Down width_W and average_l0_X, of which the bundled folder has one each. */
function onlyFile(path: string): string {
  if (path.endsWith(".npz")) return path;
  const [entry] = readdirSync(path).sort();
  if (entry === undefined) throw new GemlensError("NOT_FOUND", `coders: ${path} is empty`);
  return onlyFile(join(path, entry));
}

/** Every feature of the bundled coders that has a name, the surest first. */
export function namedFeatures(): NamedFeature[] {
  const file = join(bundledFolder(), "features.json");
  const all = z.array(row).parse(JSON.parse(readFileSync(file, "utf8")));
  return all.sort((a, b) => b.score - a.score);
}

/**
 * Names of a coder's features by index: what a feature fires on before what it foretells; empty for
 * a coder that is not bundled.
 */
export function namesOf(coderPath: string): ReadonlyMap<number, string> {
  const coder = relative(bundledFolder(), coderPath);
  const names = new Map<number, string>();
  if (coder.startsWith("..")) return names;
  const own = namedFeatures().filter((entry) => entry.coder === coder);
  for (const relation of ["token", "next", "promotes"] as const) {
    for (const entry of own.filter((entry) => entry.relation === relation)) {
      if (!names.has(entry.index)) names.set(entry.index, label(entry));
    }
  }
  return names;
}

function label({ class: words, relation }: NamedFeature): string {
  if (relation === "next") return `${words} next`;
  return relation === "promotes" ? `promotes ${words}` : words;
}

/** Held-out documents: text of the model's world that neither model nor coders were trained on. */
export function heldOutTexts(count: number): string[] {
  const lines = readFileSync(join(bundledFolder(), "heldout.jsonl"), "utf8").split("\n", count);
  const document = z.object({ text: z.string() });
  return lines.filter((line) => line !== "").map((line) => document.parse(JSON.parse(line)).text);
}
