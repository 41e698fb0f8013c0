import type { ActiveFeature, SparseFeatures } from "../../coder/active-features.js";

/** The features of one cell (a token, flattened), the strongest first. */
export function activeAt(acts: SparseFeatures, cell: number): ActiveFeature[] {
  const { indptr, indices, values } = acts;
  const found: ActiveFeature[] = [];
  for (let i = indptr[cell] ?? 0; i < (indptr[cell + 1] ?? 0); i++) {
    found.push({ feature: indices[i] ?? 0, value: values[i] ?? 0 });
  }
  return found.sort((a, b) => b.value - a.value || a.feature - b.feature);
}
