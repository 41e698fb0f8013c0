// Times gemlens on this machine, row by row, and keeps the results in bench/results/. Times Python
// packages too if bench/python/setup.mjs made environments for them.
//
//     npm run bench [-- --quick] [-- --rows N1,C11]
//
//   --quick            fewer rounds, and the quick rows only (those that --rows names, if given)
//   --rows IDS         only these rows
//   --device cuda      all sides on a GPU; writes results/<date>-<commit>-cuda.json
//   --rounds N         this many rounds for every row
//   --python-a PYTHON  an environment with SAELens, TransformerLens 3 and transformers
//   --python-c PYTHON  an environment with TransformerLens 4 and transformers
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { doctor } from "../lib/index.js";
import { cpuTimes, othersCpuShare } from "./contention.js";
import type { Measured } from "./measure.js";
import { findPythons, Peers } from "./peers.js";
import { describeMachine, type Report, writeReport } from "./report.js";
import type { Row } from "./row.js";
import { coderGroup } from "./rows/coders.js";
import { modelGroups } from "./rows/forward.js";
import { hookGroup } from "./rows/hooks.js";
import { interventionGroup } from "./rows/interventions.js";
import { openGroup } from "./rows/open.js";
import { runGroups } from "./run-groups.js";
import { exitOnSignals } from "./temporary.js";

const groups = [hookGroup, ...modelGroups, coderGroup, openGroup, interventionGroup];
const options = {
  quick: { type: "boolean", default: false },
  rows: { type: "string" },
  rounds: { type: "string" },
  device: { type: "string", default: "cpu" },
  "python-a": { type: "string" },
  "python-c": { type: "string" },
} as const;

function print({ id, what, unit, sides, compared, cost, bound, refused }: Measured): void {
  console.log(`${id.padEnd(12)} ${what}`);
  for (const [i, side] of sides.entries()) {
    const line = [
      side.name.padEnd(28),
      `${side.medianMs.toFixed(2).padStart(9)} ms`,
      `${side.perSecond.toFixed(1).padStart(8)} ${unit}`,
      `± ${(100 * side.spread).toFixed(0)} %`,
    ];
    const against = compared[i - 1];
    if (against !== undefined && cost) {
      const more = 100 * (1 / against.medianRatio - 1);
      line.push(`cost ${more.toFixed(1)} %, ${against.extraMicroseconds.toFixed(1)} µs each`);
    } else if (against !== undefined) {
      line.push(`ratio ${against.medianRatio.toFixed(2)}, least ${against.leastRatio.toFixed(2)}`);
    } else if (bound !== undefined) {
      line.push(`${(100 * bound.share).toFixed(0)} % of the bound`);
    }
    const { distance } = side;
    if (distance === 0) line.push("same output");
    else if (distance !== undefined) line.push(`outputs differ by ${distance.toExponential(0)}`);
    console.log(`             ${line.join("  ")}`);
  }
  if (bound !== undefined) {
    console.log(`             bound ${bound.medianMs.toFixed(2)} ms: ${bound.name}`);
  }
  for (const { name, why } of refused) console.log(`             ${name} not timed: ${why}`);
}

function badUsage(why: string): void {
  console.error(`bench: ${why}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  const { quick } = values;
  const wanted = values.rows?.split(",");
  const known = groups.flatMap(({ rows }) => rows.map(({ id }) => id));
  const unknown = wanted?.filter((id) => !known.includes(id)) ?? [];
  if (unknown.length > 0) {
    return badUsage(`expected rows of ${known.join(", ")}, got ${unknown.join(", ")}`);
  }
  const asked = values.rounds === undefined ? undefined : Number(values.rounds);
  if (asked !== undefined && !(Number.isInteger(asked) && asked > 0)) {
    return badUsage(`expected a count for --rounds, got ${values.rounds}`);
  }
  const { device } = values;
  if (device !== "cpu" && device !== "cuda") {
    return badUsage(`expected cpu or cuda for --device, got ${device}`);
  }
  const given = { a: values["python-a"], c: values["python-c"] };
  const absent = Object.values(given).find((path) => path !== undefined && !existsSync(path));
  if (absent !== undefined) return badUsage(`expected a Python, got ${absent}`);
  const wants = ({ id, slow, only = device }: Row) =>
    only === device && (wanted ? wanted.includes(id) : !(quick && slow));
  const roundsOf = ({ leastRounds = 0 }: Row) => ({
    rounds: asked ?? Math.max(quick ? 3 : 7, leastRounds),
    warmUp: quick || asked !== undefined ? 1 : 2,
  });
  const { threads } = (await doctor()).cpu;
  const date = new Date().toISOString();
  const peers = new Peers(await findPythons(given), threads, device);
  try {
    const before = cpuTimes();
    const { measured, failed } = await runGroups(groups, peers, { wants, roundsOf, print });
    const after = cpuTimes();
    const report: Report = {
      date,
      ...describeMachine(device),
      threads,
      versions: {
        node: process.version,
        libtorch: doctor().loaded?.libtorch.version ?? "unknown",
      },
      peers: peers.versions,
      ...(before && after ? { othersCpuShare: othersCpuShare(before, after) } : {}),
      rows: measured,
    };
    const whole = !quick && wanted === undefined && asked === undefined && failed === 0;
    console.log(writeReport(report, whole));
    if (failed > 0) process.exitCode = 1;
  } finally {
    await peers.close();
  }
}

exitOnSignals();
main();
