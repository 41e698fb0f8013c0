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

const results = join(import.meta.dirname, "results");

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, rows: { type: "string" } },
  });
  const wanted = values.rows?.split(",");
  const known = forwardRows.map(({ id }) => id);
  const unknown = wanted?.filter((id) => !known.includes(id)) ?? [];
  if (unknown.length > 0) {
    console.error(`bench: expected rows of ${known.join(", ")}, got ${unknown.join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const rounds = values.quick ? 3 : 9;
  const measured: Measured[] = [];
  for (const row of forwardRows) {
    if (wanted !== undefined && !wanted.includes(row.id)) continue;
    const figures = await measure(row, rounds);
    measured.push(figures);
    console.log(
      `${row.id.padEnd(8)} ${figures.medianMs.toFixed(2).padStart(9)} ms  ` +
        `${figures.perSecond.toFixed(0).padStart(8)} ${figures.unit.padEnd(9)} ` +
        `± ${(100 * figures.spread).toFixed(0).padStart(2)} %  ${row.what}`,
    );
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
