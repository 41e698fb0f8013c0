import type { KvCacheHandle, ModelHandle } from "./handles.js";

/** The addon's functions of a key-value cache. */
export interface KvCacheCalls {
  /**
   * Creates an empty key-value cache for `batch` rows. It grows by at least `block` positions (default
   * 256), up to `capacity` positions and `maxBytes`. A run without room rejects with OUT_OF_MEMORY
   * before it changes anything.
   */
  kvCacheCreate(
    model: ModelHandle,
    batch: number,
    capacity: number,
    growth?: { readonly block?: number; readonly maxBytes?: number },
  ): KvCacheHandle;
  kvCacheLength(cache: KvCacheHandle): number;
}
