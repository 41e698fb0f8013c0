// Compares two checkouts of gemlens, row by row in alternation, to find changes that made anything
// slower.
//
//     npx tsx bench/compare.ts OTHER_CHECKOUT [--rows C1,C11] [--rounds 15]
//
// Both must be built. Each checkout's own bench opens each row in a separate process. The ratio is
// the other's time ÷ this one's, so it exceeds 1 if this one is faster.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string" }, rounds: { type: "string", default: "15" } },
});
const [other] = positionals;
const rounds = Number(values.rounds);
const ids = (values.rows ?? "C1,C10-32,C10-512,C11,N1,I1,I2").split(",");
if (other === undefined) throw new Error("compare: expected the folder of another checkout");
const trees = [resolve(other), resolve(import.meta.dirname, "..")];
// The previous process's threads spin for a while after their work.
const settleMs = 50;

async function answer(child: ChildProcess): Promise<number> {
  const answered = new AbortController();
  const { signal } = answered;
  const exit = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`a side exited with ${code}`);
  });
  try {
    const [message] = await Promise.race([once(child, "message", { signal }), exit]);
    return message as number;
  } finally {
    answered.abort();
  }
}

/** A process that opens the row once and runs it once for each message. */
async function open(tree: string, id: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "compare-side.ts"), [tree, id], {
    cwd: tree,
    execArgv: ["--import", "tsx"],
  });
  await answer(child);
  return child;
}

/** Median and its 95 % interval, from 2,000 resamplings with a fixed seed. */
function interval(ratios: readonly number[]): { median: number; low: number; high: number } {
  const middle = (list: readonly number[]) => {
    const sorted = [...list].sort((a, b) => a - b);
    const half = (sorted.length - 1) / 2;
    return ((sorted[Math.floor(half)] as number) + (sorted[Math.ceil(half)] as number)) / 2;
  };
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const medians = Array.from({ length: 2000 }, () =>
    middle(ratios.map(() => ratios[Math.floor(random() * ratios.length)] as number)),
  ).sort((a, b) => a - b);
  return {
    median: middle(ratios),
    low: medians[Math.floor(0.025 * medians.length)] as number,
    high: medians[Math.floor(0.975 * medians.length)] as number,
  };
}

async function compare(id: string): Promise<void> {
  const sides: ChildProcess[] = [];
  try {
    for (const tree of trees) sides.push(await open(tree, id));
    const ratios: number[] = [];
    const times: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const order = round % 2 === 0 ? [0, 1] : [1, 0];
      const ms = [0, 0];
      for (const i of order) {
        await setTimeout(settleMs);
        const side = sides[i] as ChildProcess;
        side.send("run");
        ms[i] = await answer(side);
      }
      if (round < 0) continue;
      ratios.push((ms[0] as number) / (ms[1] as number));
      times.push(ms[1] as number);
    }
    const { median, low, high } = interval(ratios);
    const least = Math.min(...times).toFixed(1);
    const shown = [median, low, high].map((x) => x.toFixed(3));
    console.log(`${id.padEnd(8)} ${shown[0]} (${shown[1]}-${shown[2]}), least ${least} ms`);
  } finally {
    for (const side of sides) {
      if (side.exitCode !== null) continue;
      side.send("close");
      await once(side, "exit");
    }
  }
}

async function main(): Promise<void> {
  for (const id of ids) await compare(id);
}

void main();
