import { type Measured, measure } from "./measure.js";
import type { Peers } from "./peers.js";
import type { Group, Row } from "./row.js";

export interface Ran {
  readonly measured: readonly Measured[];
  /** Rows that failed, and other failures around the rows. */
  readonly failed: number;
}

/**
 * Measures the requested rows. No failure ends the run or loses a measurement: failures are printed
 * and counted.
 */
export async function runGroups(
  groups: readonly Group[],
  peers: Peers,
  {
    wants,
    roundsOf,
    print,
  }: {
    readonly wants: (row: Row) => boolean;
    readonly roundsOf: (row: Row) => { readonly rounds: number; readonly warmUp: number };
    readonly print: (row: Measured) => void;
  },
): Promise<Ran> {
  const measured: Measured[] = [];
  let failed = 0;
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failed += 1;
      console.error(`bench: ${what} failed: ${(error as Error).stack}`);
    }
  };
  for (const group of groups) {
    const rows = group.rows.filter(wants);
    if (rows.length === 0) continue;
    const ids = rows.map(({ id }) => id).join(", ");
    let close: (() => Promise<void>) | undefined;
    let opened = false;
    await attempt(`opening ${ids}`, async () => {
      close = await group.open?.(peers);
      opened = true;
    });
    if (!opened) continue;
    for (const row of rows) {
      await attempt(row.id, async () => {
        const result = await measure(row, peers, roundsOf(row));
        measured.push(result);
        print(result);
      });
    }
    await attempt(`closing ${ids}`, async () => close?.());
  }
  return { measured, failed: failed + peers.failures };
}
