import { setTimeout } from "node:timers/promises";
import { distance } from "./distance.js";
import type { Peers } from "./peers.js";
import type { Opened, Row, Side } from "./row.js";

export interface Summary {
  readonly medianMs: number;
  readonly leastMs: number;
  /** (third quartile − first quartile) / median. */
  readonly spread: number;
}

export interface MeasuredSide extends Summary {
  readonly name: string;
  readonly perSecond: number;
  /** max|a − b| / max|b| of its output and ours. */
  readonly distance?: number;
}

/** A side compared with ours, round by round, so that a slow phase of the machine affects both. */
export interface Compared {
  readonly name: string;
  /** Its time ÷ ours, per round: more than 1 if we are faster. */
  readonly medianRatio: number;
  readonly leastRatio: number;
  /** Median over rounds of ours − its, in microseconds per unit of work. */
  readonly extraMicroseconds: number;
}

/** The lower bound of the work's time. */
export interface MeasuredBound extends Summary {
  readonly name: string;
  /** Median over rounds of its time ÷ ours: 1 means that we reach the bound. */
  readonly share: number;
}

export interface Measured {
  readonly id: string;
  readonly what: string;
  /** Units of work in one run, and their name for a rate. */
  readonly count: number;
  readonly unit: string;
  readonly rounds: number;
  readonly cost: boolean;
  readonly sides: readonly MeasuredSide[];
  readonly compared: readonly Compared[];
  readonly bound?: MeasuredBound;
  /** Peers that were not timed, because their output differs or they fail. */
  readonly refused: readonly { readonly name: string; readonly why: string }[];
}

// Threads of other processes spin for a while after their work, which would slow our run.
const settleMs = 30;

/** Times a row's sides in alternation: `warmUp` uncounted rounds, then `rounds`. */
export async function measure(
  row: Row,
  peers: Peers,
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
): Promise<Measured> {
  const opened = await row.open(peers);
  try {
    const { sides, distances, refused } = await agreeing(opened);
    // The comparison of outputs has run every side once.
    const first = distances.some((far) => far !== undefined) ? 1 - warmUp : -warmUp;
    const all = opened.bound === undefined ? sides : [...sides, opened.bound];
    const times = all.map((): number[] => []);
    for (let round = first; round < rounds; round++) {
      // Every other round reverses the order, so that no side always runs after the same one.
      const order = [...all.keys()];
      if (round % 2 !== 0) order.reverse();
      for (const i of order) {
        await setTimeout(settleMs);
        const ms = await timed(all[i] as Side);
        if (round >= 0) times[i]?.push(ms);
      }
    }
    const named = sides.map(({ name }, i) => ({
      name,
      times: times[i] as number[],
      distance: distances[i],
    }));
    const bound = opened.bound && {
      name: opened.bound.name,
      times: times[sides.length] as number[],
    };
    return { ...summarize(row, named, bound), refused };
  } finally {
    await opened.close();
  }
}

/** The sides with our output, ours first. */
async function agreeing({ sides, tolerance = 0 }: Opened) {
  const [ours, ...others] = sides as [Side, ...Side[]];
  const kept: Side[] = [ours];
  const distances: (number | undefined)[] = [undefined];
  const refused: { name: string; why: string }[] = [];
  const expected = others.some(({ output }) => output) ? await ours.output?.() : undefined;
  for (const side of others) {
    try {
      const far = expected && side.output && distance(await side.output(), expected);
      if (far !== undefined && !(far <= tolerance)) {
        throw new Error(`its output is ${far.toExponential(1)} from ours, at most ${tolerance}`);
      }
      kept.push(side);
      distances.push(far);
    } catch (error) {
      refused.push({ name: side.name, why: (error as Error).message });
    }
  }
  return { sides: kept, distances, refused };
}

async function timed({ run }: Side): Promise<number> {
  const start = performance.now();
  const own = await run();
  return own ?? performance.now() - start;
}

interface Timed {
  readonly name: string;
  readonly times: readonly number[];
  readonly distance?: number | undefined;
}

function summarize(row: Row, named: readonly Timed[], bound: Timed | undefined) {
  const ours = (named[0] as Timed).times;
  const against = (times: readonly number[]) => times.map((ms, i) => ms / (ours[i] as number));
  const perUnit = 1000 / row.work.count;
  const sides = named.map(({ name, times, distance }) => {
    const summary = summaryOf(times);
    const perSecond = (row.work.count / summary.medianMs) * 1000;
    return { name, ...summary, perSecond, ...(distance === undefined ? {} : { distance }) };
  });
  const compared = named.slice(1).map(({ name, times }) => {
    const ratios = against(times);
    const extra = times.map((ms, i) => ((ours[i] as number) - ms) * perUnit);
    return {
      name,
      medianRatio: quantile(ratios, 0.5),
      leastRatio: Math.min(...ratios),
      extraMicroseconds: quantile(extra, 0.5),
    };
  });
  const { id, what, work, cost = false } = row;
  const measuredBound = bound && {
    name: bound.name,
    ...summaryOf(bound.times),
    share: quantile(against(bound.times), 0.5),
  };
  return {
    ...{ id, what, count: work.count, unit: `${work.of}/s`, rounds: ours.length, cost },
    ...{ sides, compared },
    ...(measuredBound === undefined ? {} : { bound: measuredBound }),
  };
}

function summaryOf(samples: readonly number[]): Summary {
  const medianMs = quantile(samples, 0.5);
  const spread = (quantile(samples, 0.75) - quantile(samples, 0.25)) / medianMs;
  return { medianMs, leastMs: Math.min(...samples), spread };
}

/** Linear between neighbours. */
function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] as number;
  const high = sorted[Math.ceil(at)] as number;
  return low + (high - low) * (at - Math.floor(at));
}
