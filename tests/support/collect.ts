import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type MemoryUse, memory } from "../../lib/index.js";

setFlagsFromString("--expose_gc");
const gc = runInNewContext("gc") as () => void;

/**
 * The live handles after a collection. Otherwise a later collection could free objects of earlier
 * tests and change a later count.
 */
export async function settledMemory(): Promise<MemoryUse> {
  for (let i = 0; i < 2; i++) {
    gc();
    await sleep(1);
  }
  return memory();
}
