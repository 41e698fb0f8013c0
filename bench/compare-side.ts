// Runs a row of a checkout's bench, without peers, once for each message from compare.ts.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Peers } from "./peers.js";
import type { Group, Side } from "./row.js";

const [tree = "", id = ""] = process.argv.slice(2);
const noPeers = { device: "cpu", load: async () => undefined } as unknown as Peers;

async function groupsOf(file: string): Promise<Group[]> {
  const found: unknown[] = Object.values(await import(pathToFileURL(file).href)).flat();
  return found.filter((value) => typeof value === "object" && "rows" in (value ?? {})) as Group[];
}

async function main(): Promise<void> {
  const folder = join(tree, "bench/rows");
  const groups = await Promise.all(readdirSync(folder).map((name) => groupsOf(join(folder, name))));
  const group = groups.flat().find(({ rows }) => rows.some((row) => row.id === id));
  const row = group?.rows.find((one) => one.id === id);
  if (group === undefined || row === undefined) throw new Error(`compare: no row ${id} in ${tree}`);
  const closeGroup = await group.open?.(noPeers);
  const opened = await row.open(noPeers);
  const [ours] = opened.sides as [Side];
  process.on("message", async (message) => {
    if (message === "run") {
      const start = performance.now();
      const own = await ours.run();
      process.send?.(own ?? performance.now() - start);
      return;
    }
    await opened.close();
    await closeGroup?.();
    process.disconnect();
  });
  process.send?.(0);
}

void main();
