// Renders the newest results of bench/results between the markers of three pages: all rows in
// bench/README.md, the summary rows in README.md, and a GPU's results in docs/gpu.md:
//
//     npx tsx bench/table.ts            prints them
//     npx tsx bench/table.ts --write    writes them
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import type { Compared, Measured } from "./measure.js";
import { newestReport, type Report } from "./report.js";
import type { Device } from "./row.js";

/** The page with every row of a device. */
export const benchPages: Readonly<Record<Device, string>> = {
  cpu: join(dirname(import.meta.dirname), "bench/README.md"),
  cuda: join(dirname(import.meta.dirname), "docs/gpu.md"),
};
/** The page with the rows of `benchSummary`. */
export const summaryPage = join(dirname(import.meta.dirname), "README.md");
/** One row for each operation that users wait for. */
const decisive = ["C10-512-bf16", "C11-bf16", "C1", "OPEN", "I1"];
const block = /(?<=<!-- bench -->\n)[\s\S]*?(?=<!-- \/bench -->)/;

/** The text between a page's markers; undefined if there are none. */
export function benchBlock(page: string): string | undefined {
  return block.exec(page)?.[0];
}

const rate = (n: number) => (Math.abs(n) >= 100 ? n.toFixed(0) : n.toPrecision(3));
const seconds = (ms: number) =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(0)} ms`;

function speed({ sides, unit, count }: Measured): string {
  const { perSecond = 0, medianMs = 0 } = sides[0] ?? {};
  // For a single run the time says more than a rate.
  return count === 1 ? seconds(medianMs) : `${rate(perSecond)} ${unit}`;
}

function ours(row: Measured): string {
  const { bound } = row;
  return bound === undefined
    ? speed(row)
    : `${speed(row)}<br>${(100 * bound.share).toFixed(0)} % of the bound`;
}

function against({ name, medianRatio, leastRatio }: Compared): string {
  return `${name}: ${medianRatio.toFixed(2)}× (${leastRatio.toFixed(2)})`;
}

function peers({ compared, refused }: Measured): string {
  const missing = refused.map(({ name }) => `${name}: not comparable`);
  return [...compared.map(against), ...missing].join("<br>") || "–";
}

/** A difference below the variation between rounds counts as no cost. */
function costOf({ sides, compared }: Measured): string {
  const [without] = compared;
  if (without === undefined) return "–";
  const more = 100 * (1 / without.medianRatio - 1);
  const spread = 100 * Math.max(...sides.map((side) => side.spread));
  return Math.abs(more) < spread
    ? `${more.toFixed(1)} %, within the spread of ${spread.toFixed(1)} %`
    : `${rate(without.extraMicroseconds)} µs each, ${more.toFixed(1)} %`;
}

/** The table of a report, with its machine and versions. */
export function benchTable(report: Report): string {
  const rows = report.rows
    .filter(({ cost }) => !cost)
    .map((row) => `| ${row.id} | ${row.what} | ${ours(row)} | ${peers(row)} |`);
  const costs = report.rows
    .filter(({ cost }) => cost)
    .map((row) => `| ${row.id} | ${row.what} | ${costOf(row)} |`);
  const tables = [
    table(["", "work", "gemlens", "speed-up over, median (worst run)"], rows),
    table(["", "added work", "cost of each; of all, in % of the run without"], costs),
  ];
  return `${[...tables, conditions(report)].filter(Boolean).join("\n\n")}\n`;
}

/** The summary rows, and the machine in one line. */
export function benchSummary(report: Report): string {
  const rows = decisive
    .map((id) => report.rows.find((row) => row.id === id))
    .filter((row) => row !== undefined)
    .map((row) => `| ${row.what} | ${row.cost ? costOf(row) : speed(row)} | ${others(row)} |`);
  const { machine, threads, date, commit } = report;
  const where = `${machine.cpu}, ${threads} threads, ${date.slice(0, 10)}, commit ${commit}.`;
  return `${table(["work", "gemlens", "speed-up over, median (worst run)"], rows)}\n\n${where}\n`;
}

function others(row: Measured): string {
  return row.cost ? "–" : peers(row);
}

function table(titles: readonly string[], rows: readonly string[]): string {
  if (rows.length === 0) return "";
  const rule = titles.map(() => "---");
  return [`| ${titles.join(" | ")} |`, `| ${rule.join(" | ")} |`, ...rows].join("\n");
}

function conditions({
  date,
  commit,
  changed,
  machine,
  gpu,
  threads,
  versions,
  peers,
  othersCpuShare,
  rows,
}: Report): string {
  const rounds = Math.min(...rows.map((row) => row.rounds));
  const torch = [...new Set(Object.values(peers).map((found) => found["torch"]))].join(", ");
  const python = torch === "" ? "" : `; Python's torch ${torch}`;
  const others =
    othersCpuShare === undefined
      ? ""
      : `, other processes took ${(100 * othersCpuShare).toFixed(1)} % of the cores' time`;
  return (
    `${gpu === undefined ? "" : `${gpu}; `}${machine.cpu}, ${threads} threads on both sides; Node ${versions.node}, libtorch ` +
    `${versions.libtorch}${python}. The bound: the row's matrix products alone in torch (of a coder, ` +
    `the encoder's), or reading its weights from memory once a token, in the same rounds. At least ` +
    `${rounds} rounds in turns${others}, ` +
    `${date.slice(0, 10)}, commit ${commit}${changed ? " with uncommitted changes" : ""}.`
  );
}

function main(): void {
  const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } });
  for (const [device, page] of Object.entries(benchPages) as [Device, string][]) {
    const report = newestReport(device);
    if (report === undefined) continue;
    show(page, benchTable(report), values.write);
    if (device === "cpu") show(summaryPage, benchSummary(report), values.write);
  }
}

function show(page: string, table: string, isWritten: boolean): void {
  if (isWritten) write(page, table);
  else console.log(`${relative(dirname(summaryPage), page)}:\n\n${table}`);
}

function write(page: string, table: string): void {
  const text = readFileSync(page, "utf8");
  if (benchBlock(text) === undefined) {
    throw new Error(`bench-table: ${page} has no <!-- bench --> … <!-- /bench -->`);
  }
  writeFileSync(
    `${page}.part`,
    text.replace(block, () => table),
  );
  renameSync(`${page}.part`, page);
}

if (process.argv[1] === import.meta.filename) main();
