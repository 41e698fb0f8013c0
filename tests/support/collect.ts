import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type MemoryUse, memory } from "../../lib/index.js";

setFlagsFromString("--expose_gc");
const gc = runInNewContext("gc") as () => void;

/**
 * What is alive once everything unreachable is gone: what earlier tests dropped would else be found
 * at any time, and be missing from a later count.
 */
export async function settledMemory(): Promise<MemoryUse> {
  for (let i = 0; i < 2; i++) {
    gc();
    await sleep(1);
  }
  return memory();
}
