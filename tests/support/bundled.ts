import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./cli.js";

export const assets = join(root, "assets/tiny-gemma2");

/** The file of a bundled coder. */
export function bundled(layer: number, site: "res" | "mlp" | "att" | "transcoders" = "res") {
  let path = join(assets, `gemma-scope/${site}/layer_${layer}`);
  while (!path.endsWith(".npz")) path = join(path, readdirSync(path)[0] as string);
  return path;
}

/** Held-out documents of the bundled model. */
export function heldOut(begin: number, end: number): string[] {
  const lines = readFileSync(join(assets, "heldout.jsonl"), "utf8").split("\n", end);
  return lines.slice(begin).map((line) => (JSON.parse(line) as { text: string }).text);
}
