// Times gemlens on this machine, row by row, and keeps the figures in bench/results/.
//
//     npm run bench [-- --quick] [-- --rows N1,C11]
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Measured, measure } from "./measure.js";
import { forwardRows } from "./rows/forward.js";
import { hookRows } from "./rows/hooks.js";
import { interventionRows } from "./rows/interventions.js";

const allRows = [...hookRows, ...forwardRows, ...interventionRows];
const results = join(import.meta.dirname, "results");

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

function print({ id, what, unit, sides, compared, cost }: Measured): void {
  console.log(`${id.padEnd(8)} ${what}`);
  for (const [i, side] of sides.entries()) {
    const line = [
      side.name.padEnd(24),
      `${side.medianMs.toFixed(2).padStart(9)} ms`,
      `${side.perSecond.toFixed(0).padStart(8)} ${unit}`,
      `± ${(100 * side.spread).toFixed(0)} %`,
    ];
    const against = compared[i - 1];
    if (against !== undefined && cost) {
      const more = 100 * (1 / against.medianRatio - 1);
      line.push(`cost ${more.toFixed(1)} %, ${against.extraMicroseconds.toFixed(1)} µs each`);
    } else if (against !== undefined) {
      line.push(`ratio ${against.medianRatio.toFixed(2)}, least ${against.leastRatio.toFixed(2)}`);
    }
    console.log(`         ${line.join("  ")}`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, rows: { type: "string" } },
  });
  const wanted = values.rows?.split(",");
  const known = allRows.map(({ id }) => id);
  const unknown = wanted?.filter((id) => !known.includes(id)) ?? [];
  if (unknown.length > 0) {
    console.error(`bench: expected rows of ${known.join(", ")}, got ${unknown.join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const rounds = values.quick ? 3 : 9;
  const measured: Measured[] = [];
  for (const row of allRows) {
    if (wanted !== undefined && !wanted.includes(row.id)) continue;
    const figures = await measure(row, Math.max(rounds, row.leastRounds ?? 0));
    measured.push(figures);
    print(figures);
  }
  const report = {
    date: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    rows: measured,
  };
  mkdirSync(results, { recursive: true });
  const path = join(results, "latest.json");
  writeFileSync(`${path}.part`, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(`${path}.part`, path);
}

main();
