// Random calls from a seed, for as long as asked: nothing may crash, hang, reject unheard, or leave
// memory behind.
//
//     npx tsx scripts/stress.ts [--minutes 30] [--seed N]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { memory } from "../lib/index.js";
import { actions } from "./stress/actions.js";
import { Dice } from "./stress/dice.js";
import { World } from "./stress/world.js";

const slowest = 60_000;

/** Errors that a random call may end with: a hook that throws, an abort, something disposed before. */
function isExpected(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return name === "AbortError" || ["HOOK", "DISPOSED", "BUSY", "ABORTED"].includes(code ?? "");
}

async function withWatchdog(what: string, work: Promise<void>): Promise<void> {
  const stop = new AbortController();
  const late = sleep(slowest, "late", { signal: stop.signal }).catch(() => "done");
  const first = await Promise.race([work, late]);
  stop.abort();
  if (first === "late") throw new Error(`${what} did not end within ${slowest / 1000} s`);
}

async function run(seed: number, minutes: number): Promise<void> {
  const dice = new Dice(seed);
  const world = new World(dice);
  const counts = new Map<string, number>();
  let failed = 0;
  const start = await world.open();
  const end = Date.now() + minutes * 60_000;
  let told = Date.now();
  const open = new Set<Promise<void>>();
  while (Date.now() < end) {
    const [name, action] = dice.of(actions);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const work = action(world, dice).catch((error: unknown) => {
      if (!isExpected(error)) throw error;
      failed++;
    });
    const watched = withWatchdog(name, work).finally(() => open.delete(watched));
    open.add(watched);
    // Some calls overlap; an error in any ends the run.
    if (open.size > 3 || dice.chance(0.6)) await Promise.all(open);
    if (Date.now() - told > 30_000) {
      told = Date.now();
      const { handles, allocatedBytes } = memory();
      const total = [...counts.values()].reduce((a, b) => a + b, 0);
      console.error(`${total} calls, ${handles} handles, ${(allocatedBytes / 1e6).toFixed(0)} MB`);
    }
  }
  await Promise.all(open);
  const left = await world.close();
  console.log(JSON.stringify({ seed, calls: Object.fromEntries(counts), failed, start, left }));
  if (left.handles > start.handles || left.allocatedBytes > start.allocatedBytes + 1e6) {
    throw new Error(`memory was not given back: ${JSON.stringify({ start, left })}`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: "string", default: "30" }, seed: { type: "string" } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.error(`stress: seed ${seed}, ${values.minutes} minutes`);
  process.on("unhandledRejection", (error) => {
    console.error("stress: a rejection that nobody heard", error);
    process.exit(1);
  });
  try {
    await run(seed, Number(values.minutes));
    console.error("stress: passed");
  } catch (error) {
    console.error(`stress: failed with seed ${seed}`, error);
    process.exit(1);
  }
}

main();
