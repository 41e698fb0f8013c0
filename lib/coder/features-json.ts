import { argument } from "../errors/check-options.js";
import type { LocatedFeature, SparseFeatures } from "./active-features.js";
import type { RowLayout } from "./row-layout.js";

/** Activations as `JSON.stringify` writes them. */
export interface FeatureActsJson {
  /** [.., dSae], the shape of the equivalent dense tensor. */
  readonly shape: readonly number[];
  /** The active features, token by token, ids ascending. */
  readonly active: readonly LocatedFeature[];
}

const most = 1000;

/** @throws ARGUMENT if there are more than 1,000 active features */
export function featuresToJson(csr: SparseFeatures, layout: RowLayout): FeatureActsJson {
  const { shape, indptr, indices, values } = csr;
  if (indices.length > most) {
    const got = `${indices.length.toLocaleString("en-US")}: take topK(k) or at({position}), or write read() to a file`;
    throw argument("toJSON", "at most 1,000 active features", "activations in JSON", got, {
      nnz: indices.length,
    });
  }
  const active: LocatedFeature[] = [];
  for (let cell = 0; cell + 1 < indptr.length; cell++) {
    const batch = Math.floor(cell / layout.pos);
    const position = layout.position(batch, cell % layout.pos);
    if (position === undefined) continue;
    for (let i = indptr[cell] ?? 0; i < (indptr[cell + 1] ?? 0); i++) {
      active.push({ batch, position, feature: indices[i] ?? 0, value: values[i] ?? 0 });
    }
  }
  return { shape, active };
}
