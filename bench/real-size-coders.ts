// Opens coders of several layers at their published sizes, encodes, decodes and edits with them, and
// writes what that takes to docs/limits.md. With --only it only prints. The files are sparse: they
// take almost no disk, but reading them fills the page cache as real ones would.
//
//     npx tsx bench/real-size-coders.ts [--dir DIR] [--only 1b-clt,1b-crosscoder,2b-clt-426k]
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { outputOf } from "./case-process.js";
import type { CoderSizes } from "./real-size-coders-case.js";
import { type SparseCoder, writeSparseCoder } from "./sparse-coder.js";
import { exitOnSignals, temporaryFolder } from "./temporary.js";

const all26 = Array.from({ length: 26 }, (_, layer) => layer);

interface Case {
  readonly name: string;
  readonly what: string;
  readonly coder: SparseCoder;
}

const cases: readonly Case[] = [
  {
    name: "1b-clt",
    what: "Gemma Scope 2 1B, cross-layer transcoder 262k with skips",
    coder: {
      format: "gemma-scope-2",
      kind: "clt",
      layers: all26,
      width: 1152,
      features: 10080,
      skip: true,
      dtype: "F32",
    },
  },
  {
    name: "1b-crosscoder",
    what: "Gemma Scope 2 1B, crosscoder 1m",
    coder: {
      format: "gemma-scope-2",
      kind: "crosscoder",
      layers: [7, 13, 17, 22],
      width: 1152,
      features: 262144,
      skip: false,
      dtype: "F32",
    },
  },
  {
    name: "2b-clt-426k",
    what: "mntss/clt-gemma-2-2b-426k, stored in bfloat16",
    coder: {
      format: "circuit-tracer",
      kind: "clt",
      layers: all26,
      width: 2304,
      features: 16384,
      skip: false,
      dtype: "BF16",
    },
  },
];
const page = join(dirname(import.meta.dirname), "docs/limits.md");
const heading = "## Coders of several layers";

async function measure({ what, coder }: Case, parent: string | undefined): Promise<CoderSizes> {
  console.error(`real-size-coders: measuring ${what}`);
  const { folder, remove } = temporaryFolder(parent);
  try {
    writeSparseCoder(folder, coder);
    const script = join(import.meta.dirname, "real-size-coders-case.ts");
    const args = ["--import", "tsx", script, folder, JSON.stringify(coder)];
    return JSON.parse(await outputOf(what, args)) as CoderSizes;
  } finally {
    remove();
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

const lines: readonly [string, (sizes: CoderSizes) => string][] = [
  ["files", (s) => gigabytes(s.fileBytes)],
  ["features", (s) => s.features.toLocaleString("en-US")],
  ["open", (s) => seconds(s.openMs)],
  ["encode 64 tokens", (s) => seconds(s.encodeMs)],
  ["decode them, 100 features of each encoder active", (s) => seconds(s.decodeMs)],
  ["edit one feature", (s) => seconds(s.editMs)],
  ["most anonymous memory", (s) => gigabytes(s.peakAnonymous)],
  ["most resident memory, mapped files included", (s) => gigabytes(s.peakResident)],
];

function render(measured: readonly (readonly [Case, CoderSizes])[]): string {
  const head = `| | ${measured.map(([{ what }]) => what).join(" | ")} |`;
  const rule = `| --- |${" ---: |".repeat(measured.length)}`;
  const rows = lines.map(
    ([label, show]) => `| ${label} | ${measured.map(([, sizes]) => show(sizes)).join(" | ")} |`,
  );
  return `${heading}

Measured by \`npx tsx bench/real-size-coders.ts\` on sparse files with the published layouts and sizes.
The decoders take more than \`maxDecoderBytes\` (4 GiB by default), so they stay in their files.

${[head, rule, ...rows].join("\n")}
`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { dir: { type: "string" }, only: { type: "string" } },
  });
  const names = cases.map(({ name }) => name);
  const wanted = values.only?.split(",") ?? names;
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(
      `real-size-coders: expected some of ${names.join(", ")}, got ${unknown.join(", ")}`,
    );
    process.exitCode = 2;
    return;
  }
  const measured: [Case, CoderSizes][] = [];
  for (const item of cases) {
    if (wanted.includes(item.name)) measured.push([item, await measure(item, values.dir)]);
  }
  const text = render(measured);
  console.log(text);
  if (measured.length < cases.length) return;
  const [before = ""] = readFileSync(page, "utf8").split(`\n${heading}`);
  writeFileSync(`${page}.part`, `${before.trimEnd()}\n\n${text}`);
  renameSync(`${page}.part`, page);
}

exitOnSignals();
main();
