import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { GemlensError } from "../errors/index.js";
import { resolveModel } from "../model/resolve-model.js";

/** What one feature of a bundled coder stands for, by held-out text. */
export interface NamedFeature {
  /** The class of words that it fires on. */
  readonly class: string;
  readonly layer: number;
  readonly index: number;
  /** How well "it fires" tells "the token is of this class", 0 to 1. */
  readonly f1: number;
  /** The coder's file, in the model's folder. */
  readonly coder: string;
}

const table = z.array(
  z.object({
    class: z.string(),
    layer: z.number().int(),
    index: z.number().int(),
    f1: z.number(),
    coder: z.string(),
  }),
);

/** Whether a model's name means the one that comes with gemlens. */
export function isBundled(model: string): boolean {
  return model === "tiny" || model === "gemlens/tiny-gemma2";
}

export function bundledFolder(): string {
  return resolveModel("tiny");
}

/** The file of a layer's bundled residual coder. NOT_FOUND naming the layers there are. */
export function bundledCoder(layer: number): string {
  const site = join(bundledFolder(), "gemma-scope", "res");
  const layers = existsSync(site) ? readdirSync(site) : [];
  if (!layers.includes(`layer_${layer}`)) {
    const known = layers.map((name) => name.replace("layer_", "")).sort();
    throw new GemlensError(
      "NOT_FOUND",
      `features: expected one of ${known.join(", ") || "none"} for layer, got ${layer}`,
      { layer, known },
    );
  }
  return onlyFile(join(site, `layer_${layer}`));
}

/** Down width_W and average_l0_X, of which the bundled folder has one each. */
function onlyFile(path: string): string {
  if (path.endsWith(".npz")) return path;
  const [entry] = readdirSync(path).sort();
  if (entry === undefined) throw new GemlensError("NOT_FOUND", `features: ${path} is empty`);
  return onlyFile(join(path, entry));
}

/** The features of a bundled coder that have a name, the surest first; none of other coders. */
export function namesOf(coderPath: string): NamedFeature[] {
  const folder = bundledFolder();
  const coder = relative(folder, coderPath);
  const file = join(folder, "features.json");
  if (coder.startsWith("..") || !existsSync(file)) return [];
  const all = table.parse(JSON.parse(readFileSync(file, "utf8")));
  return all.filter((entry) => entry.coder === coder).sort((a, b) => b.f1 - a.f1);
}

/** Held-out documents: text of the model's world that neither model nor coders were trained on. */
export function heldOutTexts(count: number): string[] {
  const lines = readFileSync(join(bundledFolder(), "heldout.jsonl"), "utf8").split("\n", count);
  const document = z.object({ text: z.string() });
  return lines.filter((line) => line !== "").map((line) => document.parse(JSON.parse(line)).text);
}
