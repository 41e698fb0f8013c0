import type { NativeMemory } from "../native/addon.js";
import { call } from "../native/call.js";

/**
 * Live native objects and the bytes behind them.
 *
 * @interface
 */
export type MemoryUse = NativeMemory;

/**
 * What gemlens holds right now: `handles` (live native objects of every kind), `tensors`, `cpuBytes`
 * and `cudaBytes` (distinct memory that live tensors and features hold), `allocatedBytes` and
 * `reservedBytes` (what the CPU allocator has handed out, and keeps for reuse).
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
