import type { Row, Side } from "./row.js";

export interface Summary {
  readonly medianMs: number;
  readonly leastMs: number;
  /** (third quartile − first quartile) / median. */
  readonly spread: number;
}

export interface MeasuredSide extends Summary {
  readonly name: string;
  readonly perSecond: number;
}

/** A side against ours, round by round, so that a slow spell of the machine touches both. */
export interface Compared {
  readonly name: string;
  /** Its time ÷ ours, per round: more than 1 where we are faster. */
  readonly medianRatio: number;
  readonly leastRatio: number;
  /** Median over rounds of ours − its, in microseconds per unit of work. */
  readonly extraMicroseconds: number;
}

export interface Measured {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly rounds: number;
  readonly cost: boolean;
  readonly sides: readonly MeasuredSide[];
  readonly compared: readonly Compared[];
}

/** Times a row's sides in turns: two rounds to warm up, then `rounds`. */
export async function measure(row: Row, rounds: number): Promise<Measured> {
  const opened = await row.open();
  const times = opened.sides.map((): number[] => []);
  try {
    for (let round = -2; round < rounds; round++) {
      // Every other round begins at the other end, so that no side always runs after the same one.
      const order = [...opened.sides.keys()];
      if (round % 2 !== 0) order.reverse();
      for (const i of order) {
        const ms = await timed(opened.sides[i] as Side);
        if (round >= 0) times[i]?.push(ms);
      }
    }
  } finally {
    await opened.close();
  }
  return summarize(
    row,
    opened.sides.map(({ name }) => name),
    times,
  );
}

async function timed({ run }: Side): Promise<number> {
  const start = performance.now();
  const own = await run();
  return own ?? performance.now() - start;
}

function summarize(row: Row, names: readonly string[], times: readonly number[][]): Measured {
  const ours = times[0] as number[];
  const perUnit = 1000 / row.work.count;
  const sides = names.map((name, i) => {
    const summary = summaryOf(times[i] as number[]);
    return { name, ...summary, perSecond: (row.work.count / summary.medianMs) * 1000 };
  });
  const compared = names.slice(1).map((name, i) => {
    const theirs = times[i + 1] as number[];
    const ratios = theirs.map((ms, round) => ms / (ours[round] as number));
    const extra = theirs.map((ms, round) => ((ours[round] as number) - ms) * perUnit);
    return {
      name,
      medianRatio: quantile(ratios, 0.5),
      leastRatio: Math.min(...ratios),
      extraMicroseconds: quantile(extra, 0.5),
    };
  });
  const { id, what, work, cost = false } = row;
  return { id, what, unit: `${work.of}/s`, rounds: ours.length, cost, sides, compared };
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
