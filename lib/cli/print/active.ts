import type { ActiveFeature, SparseFeatures } from "../../coder/active-features.js";

/** The active features of one row (a token of the flattened batch), strongest first. */
export function activeAt(acts: SparseFeatures, row: number): ActiveFeature[] {
  const { indptr, indices, values } = acts;
  const found: ActiveFeature[] = [];
  for (let i = indptr[row] ?? 0; i < (indptr[row + 1] ?? 0); i++) {
    found.push({ feature: indices[i] ?? 0, value: values[i] ?? 0 });
  }
  return found.sort((a, b) => b.value - a.value || a.feature - b.feature);
}
