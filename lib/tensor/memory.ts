import type { NativeMemory } from "../native/addon.js";
import { call } from "../native/call.js";

/**
 * Live native objects and their bytes.
 *
 * @interface
 */
export type MemoryUse = NativeMemory;

/**
 * Returns the current memory use: `handles` (live native objects of every kind), `tensors`, `cpuBytes`
 * and `cudaBytes` (distinct memory of live tensors and features), `allocatedBytes` (in use from the CPU
 * allocator) and `reservedBytes` (kept by it for reuse).
 *
 * @example
 * const before = memory().handles;
 * tidy(() => tensor([1, 2, 3]).exp().sum());
 * console.log(memory().handles - before); // 1
 *
 * @throws NATIVE_LOAD
 */
export function memory(): MemoryUse {
  return call("memory", (addon) => addon.memory());
}
