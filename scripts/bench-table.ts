// Renders the newest figures of bench/results into README.md, between its markers:
//
//     npx tsx scripts/bench-table.ts            prints them
//     npx tsx scripts/bench-table.ts --write    writes them
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { Compared, Measured } from "../bench/measure.js";
import { newestReport, type Report } from "../bench/report.js";

const readme = join(dirname(import.meta.dirname), "README.md");
const block = /(?<=<!-- bench -->\n)[\s\S]*?(?=<!-- \/bench -->)/;

/** What stands between README's markers; undefined where there are none. */
export function benchBlock(page: string): string | undefined {
  return block.exec(page)?.[0];
}

const rate = (n: number) => (n >= 100 ? n.toFixed(0) : n.toPrecision(3));
const seconds = (ms: number) =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(0)} ms`;

function ours({ sides, unit, count, bound }: Measured): string {
  const { perSecond = 0, medianMs = 0 } = sides[0] ?? {};
  // Of one thing, how long it takes says more than how many would go in a second.
  const speed = count === 1 ? seconds(medianMs) : `${rate(perSecond)} ${unit}`;
  return bound === undefined
    ? speed
    : `${speed}<br>${(100 * bound.share).toFixed(0)} % of the bound`;
}

function against({ name, medianRatio, leastRatio }: Compared): string {
  return `${name}: ${medianRatio.toFixed(2)}× (${leastRatio.toFixed(2)})`;
}

function peers({ compared, refused }: Measured): string {
  const missing = refused.map(({ name }) => `${name}: not comparable`);
  return [...compared.map(against), ...missing].join("<br>") || "–";
}

/** The table of a report, with what it was measured on. */
export function benchTable(report: Report): string {
  const rows = report.rows
    .filter(({ cost }) => !cost)
    .map((row) => `| ${row.id} | ${row.what} | ${ours(row)} | ${peers(row)} |`);
  const costs = report.rows
    .filter(({ cost }) => cost)
    .map(({ id, what, compared }) => {
      const [without] = compared;
      if (without === undefined) return `| ${id} | ${what} | – |`;
      const more = 100 * (1 / without.medianRatio - 1);
      return `| ${id} | ${what} | ${rate(without.extraMicroseconds)} µs each, ${more.toFixed(1)} % |`;
    });
  const tables = [
    table(["", "work", "gemlens", "times as fast as, median (least)"], rows),
    table(["", "what is added", "cost"], costs),
  ];
  return `${[...tables, conditions(report)].filter(Boolean).join("\n\n")}\n`;
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
  threads,
  versions,
  peers,
  rows,
}: Report): string {
  const rounds = Math.min(...rows.map((row) => row.rounds));
  const torch = [...new Set(Object.values(peers).map((found) => found["torch"]))].join(", ");
  const python = torch === "" ? "" : `; Python's torch ${torch}`;
  return (
    `${machine.cpu}, ${threads} threads on both sides; Node ${versions.node}, libtorch ` +
    `${versions.libtorch}${python}. The bound: the row's matrix products alone in torch (of a coder, ` +
    `the encoder's), or reading its weights from memory once a token, in the same rounds. At least ` +
    `${rounds} rounds in turns, ` +
    `${date.slice(0, 10)}, commit ${commit}${changed ? " and what was not committed" : ""}.`
  );
}

function main(): void {
  const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } });
  const report = newestReport();
  if (report === undefined) throw new Error("bench-table: bench/results holds no figures");
  const table = benchTable(report);
  if (!values.write) {
    process.stdout.write(table);
    return;
  }
  const page = readFileSync(readme, "utf8");
  if (benchBlock(page) === undefined) {
    throw new Error("bench-table: README.md has no <!-- bench --> … <!-- /bench -->");
  }
  writeFileSync(
    `${readme}.part`,
    page.replace(block, () => table),
  );
  renameSync(`${readme}.part`, readme);
}

if (process.argv[1] === import.meta.filename) main();
