import { resolve } from "node:path";
import { type BundledFeature, bundledCoders } from "../../coder/bundled-coders.js";

/**
 * Names of a coder's features by index. A name for the tokens that a feature fires on wins over one
 * for the tokens that it predicts. The map is empty if the coder is not bundled.
 */
export function namesOf(coderPath: string): ReadonlyMap<number, string> {
  const path = resolve(coderPath);
  const features = bundledCoders().find((coder) => coder.path === path)?.features ?? [];
  const names = new Map<number, string>();
  for (const relation of ["token", "next", "promotes"] as const) {
    for (const entry of features.filter((entry) => entry.relation === relation)) {
      if (!names.has(entry.feature)) names.set(entry.feature, label(entry));
    }
  }
  return names;
}

function label({ class: words, relation }: BundledFeature): string {
  if (relation === "next") return `${words} next`;
  return relation === "promotes" ? `promotes ${words}` : words;
}
