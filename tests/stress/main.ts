// Makes random calls from a seed for the given time: nothing may crash, hang, reject without a
// handler, or leak memory. Prints the seed; the same seed makes the same calls with the same
// choices.
//
//     node --expose-gc --import tsx tests/stress/main.ts [--minutes 30] [--seed N] [--calls N] [--trace]
import { createHash } from "node:crypto";
import { Command } from "commander";
import { nonNegativeInteger, positiveInteger, positiveNumber } from "../../bench/number-options.js";
import { memory } from "../../lib/index.js";
import { Random } from "../support/random.js";
import { callsOf } from "./calls.js";
import { RunningTime } from "./running-time.js";
import { World } from "./world.js";

interface Options {
  readonly seed: number;
  /** The limit that is reached first ends the run. */
  readonly minutes: number;
  readonly calls: number;
  /** Prints every call as a line on stderr. */
  readonly trace: boolean;
}

// A hang lasts for ever; on a busy machine a worker may take minutes to load everything.
const slowest = 600_000;
const megabyte = 1e6;

/**
 * Errors that a random call may end with: a hook that throws, an abort, something disposed before.
 */
function isExpected(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return name === "AbortError" || ["HOOK", "DISPOSED", "BUSY", "ABORTED"].includes(code ?? "");
}

async function withWatchdog(what: string, work: Promise<void>, time: RunningTime): Promise<void> {
  let watch: NodeJS.Timeout | undefined;
  const begun = time.now();
  const late = new Promise<never>((_, reject) => {
    watch = setInterval(() => {
      if (time.now() - begun > slowest) reject(new Error(`not ended within ${slowest / 1000} s`));
    }, 1000);
  });
  try {
    await Promise.race([work, late]);
  } catch (cause) {
    throw new Error(what, { cause });
  } finally {
    clearInterval(watch);
  }
}

async function run({ seed, minutes, calls, trace }: Options): Promise<void> {
  const world = new World();
  const counts = new Map<string, number>();
  // A hash of the calls: two runs with the same seed and number of calls have the same one.
  const made = createHash("sha256");
  let expected = 0;
  let total = 0;
  const start = await world.open();
  const resident = process.memoryUsage.rss();
  const time = new RunningTime();
  let printed = 0;
  const open = new Set<Promise<void>>();
  for (const { name, action, seed: own, exclusive } of callsOf(seed)) {
    if (total === calls || time.now() > minutes * 60_000) break;
    const what = `call ${total++}, ${name} of seed ${own}`;
    if (trace) console.error(what);
    made.update(`${what}\n`);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const work = action(world, new Random(own)).catch((error: unknown) => {
      if (!isExpected(error)) throw error;
      expected++;
    });
    const watched = withWatchdog(what, work, time).finally(() => open.delete(watched));
    open.add(watched);
    // Some calls overlap; an error in any ends the run.
    if (exclusive || open.size > 3) await Promise.all(open);
    if (time.now() - printed > 30_000) {
      printed = time.now();
      const { handles, allocatedBytes } = memory();
      console.error(`${total} calls, ${handles} handles, ${megabytes(allocatedBytes)} MB`);
    }
  }
  await Promise.all(open);
  const left = await world.close();
  const counted = Object.fromEntries([...counts].sort());
  console.log(
    JSON.stringify({
      seed,
      total,
      made: made.digest("hex").slice(0, 16),
      calls: counted,
      expected,
    }),
  );
  console.log(JSON.stringify({ start, left }));
  const rss = [resident, process.memoryUsage.rss()].map(megabytes).join(" to ");
  console.error(`stress: ${total} calls, ${expected} expected errors; resident ${rss} MB`);
  const kept = (["handles", "tensors", "cpuBytes"] as const).filter(
    (key) => left[key] > start[key],
  );
  if (kept.length > 0 || left.allocatedBytes > start.allocatedBytes + megabyte) {
    throw new Error(`memory was not given back: ${JSON.stringify({ start, left })}`);
  }
}

const megabytes = (bytes: number): string => (bytes / megabyte).toFixed(0);

async function main(options: Options): Promise<void> {
  const { seed } = options;
  console.error(`stress: seed ${seed}`);
  process.on("unhandledRejection", (error) => {
    console.error(`stress: a rejection that nobody heard, with seed ${seed}`, error);
    process.exit(1);
  });
  try {
    await run(options);
    console.error("stress: passed");
  } catch (error) {
    console.error(`stress: failed with seed ${seed}`, error);
    process.exit(1);
  }
}

const anySeed = Math.floor(Math.random() * 2 ** 31);
new Command("stress")
  .option("--minutes <n>", "how long at most", positiveNumber, 30)
  .option("--calls <n>", "how many at most", positiveInteger, Number.POSITIVE_INFINITY)
  .option("--seed <n>", "makes the same calls again", nonNegativeInteger, anySeed)
  .option("--trace", "every call as a line on stderr", false)
  .action(main)
  .parseAsync();
