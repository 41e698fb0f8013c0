import type { FeaturesHandle } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { without } from "./special-tokens.js";

/** Activations without the features of tokens that are left out; the handle given is freed. */
export async function keepRows(
  what: string,
  handle: FeaturesHandle,
  excluded: Int32Array,
  count: number,
): Promise<FeaturesHandle> {
  const kept = without(excluded, undefined, count);
  if (kept === undefined) return handle;
  try {
    return await task(what, (addon, ctx) => addon.featuresKeep(handle, kept, ctx));
  } finally {
    call(what, (addon) => addon.dispose(handle));
  }
}
