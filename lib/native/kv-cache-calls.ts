import type { KvCacheHandle, ModelHandle } from "./handles.js";

/** The addon's functions of a key-value cache. */
export interface KvCacheCalls {
  /**
   * An empty key-value cache for `batch` rows; grows up to `capacity` positions, by `block` at least
   * (default 256), and to `maxBytes` at most. A run that finds no room rejects with OUT_OF_MEMORY
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
