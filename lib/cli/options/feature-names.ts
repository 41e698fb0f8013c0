import { resolve } from "node:path";
import { type BundledFeature, bundledCoders } from "../../coder/bundled-coders.js";

/**
 * Names of a coder's features by index: what a feature fires on before what it foretells; empty for
 * a coder that is not bundled.
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
