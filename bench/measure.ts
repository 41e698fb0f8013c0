import type { Opened, Row } from "./row.js";

export interface Measured {
  readonly id: string;
  readonly what: string;
  readonly medianMs: number;
  readonly leastMs: number;
  /** (third quartile − first quartile) / median. */
  readonly spread: number;
  readonly rounds: number;
  readonly perSecond: number;
  readonly unit: string;
}

/** Times of one row: two warm-up runs, then `rounds`. */
export async function measure(row: Row, rounds: number): Promise<Measured> {
  const opened = await row.open();
  try {
    return summarize(row, await times(opened, rounds));
  } finally {
    await opened.close();
  }
}

async function times(opened: Opened, rounds: number): Promise<number[]> {
  const out: number[] = [];
  for (let i = -2; i < rounds; i++) {
    const start = performance.now();
    await opened.run();
    if (i >= 0) out.push(performance.now() - start);
  }
  return out;
}

function summarize({ id, what, work }: Row, samples: number[]): Measured {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] as number;
  const medianMs = at(0.5);
  return {
    id,
    what,
    medianMs,
    leastMs: at(0),
    spread: (at(0.75) - at(0.25)) / medianMs,
    rounds: sorted.length,
    perSecond: (work.count / medianMs) * 1000,
    unit: `${work.of}/s`,
  };
}
