import type { LocatedFeature, SparseFeatures } from "./active-features.js";
import type { RowLayout } from "./row-layout.js";

/**
 * The `k` largest values of the compressed rows, largest first. A buffer of a few k holds the
 * candidates and is sorted and truncated when full: O(nnz + passes · k log k), without copying all
 * entries.
 */
export function topFeatures(
  csr: Omit<SparseFeatures, "shape">,
  layout: RowLayout,
  k: number,
  excluded: ReadonlySet<number>,
): LocatedFeature[] {
  const { indptr, indices, values } = csr;
  const limit = Math.max(4 * k, 1024);
  let kept: { entry: number; cell: number; value: number }[] = [];
  let floor = Number.NEGATIVE_INFINITY;
  const cut = () => {
    kept.sort((a, b) => b.value - a.value || a.entry - b.entry);
    kept = kept.slice(0, k);
    if (kept.length === k) floor = kept[k - 1]?.value ?? floor;
  };
  for (let cell = 0; cell + 1 < indptr.length; cell++) {
    if (excluded.has(cell) || tokenAt(cell, layout) === undefined) continue;
    for (let entry = indptr[cell] ?? 0; entry < (indptr[cell + 1] ?? 0); entry++) {
      const value = values[entry] ?? 0;
      if (value <= floor) continue;
      kept.push({ entry, cell, value });
      if (kept.length === limit) cut();
    }
  }
  cut();
  return kept.map(({ entry, cell, value }) => {
    const { batch, position } = tokenAt(cell, layout) ?? { batch: 0, position: cell };
    return { batch, position, feature: indices[entry] ?? 0, value };
  });
}

/** The row and position of a cell; undefined if it is padding. */
function tokenAt(cell: number, layout: RowLayout): { batch: number; position: number } | undefined {
  const batch = Math.floor(cell / layout.pos);
  const position = layout.position(batch, cell % layout.pos);
  return position === undefined ? undefined : { batch, position };
}
