import type { NativeFeatureEdit, NativeFeatures } from "../native/addon.js";
import { call, task } from "../native/call.js";

/**
 * Removes the features of the tokens in the `excluded` rows, and frees the given activations if
 * there are such rows. It edits the activations: each feature is set to 0 where it is active in
 * those rows.
 */
export async function excludeRows(
  caller: string,
  features: NativeFeatures,
  excluded: Int32Array,
): Promise<NativeFeatures> {
  if (excluded.length === 0) return features;
  const { handle } = features;
  try {
    const { indptr, indices } = await task(caller, (addon, ctx) => addon.featuresRead(handle, ctx));
    const active = new Map<number, number[]>();
    for (const row of excluded) {
      for (const feature of indices.subarray(indptr[row], indptr[row + 1])) {
        const rows = active.get(feature);
        if (rows === undefined) active.set(feature, [row]);
        else rows.push(row);
      }
    }
    const edits = Array.from(active, ([feature, rows]): NativeFeatureEdit => {
      return { op: "zero", feature, value: 0, rows: Int32Array.from(rows) };
    });
    return await task(caller, (addon, ctx) => addon.featuresEdit(handle, edits, ctx));
  } finally {
    call(caller, (addon) => addon.dispose(handle));
  }
}
