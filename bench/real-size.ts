// Opens models of the published sizes, with random weights, and writes their time and memory to
// docs/limits.md; with --only prints them for these. Needs 12 GB of disk; downloads nothing.
//
//     npx tsx bench/real-size.ts [--dir DIR] [--only 2b-bfloat16,2b-float32,1b-bfloat16]
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { outputOf } from "./case-process.js";
import { randomSae } from "./random-coder.js";
import { gemma2b, type ModelShape, randomModel } from "./random-model.js";
import type { Sizes } from "./real-size-case.js";
import { exitOnSignals } from "./temporary.js";

interface Case {
  readonly name: string;
  readonly what: string;
  readonly shape: ModelShape;
  readonly file: "F32" | "BF16";
  readonly layer: number;
}

const twoB: ModelShape = { ...gemma2b, layers: 26, dVocab: 256000 };
const oneB: ModelShape = {
  type: "gemma3_text",
  layers: 26,
  dModel: 1152,
  heads: 4,
  kvHeads: 1,
  dHead: 256,
  dMlp: 6912,
  dVocab: 262144,
};
const cases: readonly Case[] = [
  { name: "2b-bfloat16", what: "Gemma 2 2B, bfloat16 file", shape: twoB, file: "BF16", layer: 20 },
  { name: "2b-float32", what: "Gemma 2 2B, float32 file", shape: twoB, file: "F32", layer: 20 },
  { name: "1b-bfloat16", what: "Gemma 3 1B, bfloat16 file", shape: oneB, file: "BF16", layer: 17 },
];
const page = join(dirname(import.meta.dirname), "docs/limits.md");

async function measure(item: Case, parent: string | undefined): Promise<Sizes> {
  console.error(`real-size: writing ${item.what}`);
  const { folder, remove } = await randomModel(item.shape, {
    dtype: item.file,
    ...(parent === undefined ? {} : { parent }),
  });
  try {
    const coder = join(folder, "params.npz");
    const sae = await randomSae(item.layer, item.shape.dModel, 16384);
    await sae.save(coder);
    sae.dispose();
    console.error(`real-size: measuring ${item.what}`);
    const script = join(import.meta.dirname, "real-size-case.ts");
    const args = ["--import", "tsx", script, folder, coder, `${item.layer}`];
    return JSON.parse(await outputOf(item.what, args)) as Sizes;
  } finally {
    remove();
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

const lines: readonly [string, (sizes: Sizes) => string][] = [
  ["checkpoint on disk", (s) => gigabytes(s.fileBytes)],
  ["open the model", (s) => seconds(s.openMs)],
  ["first token after a prompt of 32", (s) => seconds(s.firstTokenMs)],
  ["tokens per second after that", (s) => s.tokensPerSecond.toFixed(1)],
  ["open the 16k SAE (float32)", (s) => seconds(s.openCoderMs)],
  ["features of a 512-token prompt", (s) => `${seconds(s.featuresMs)} (L0 ${s.l0.toFixed(0)})`],
  ["anonymous memory after opening the model", (s) => gigabytes(s.openedAnonymous)],
  ["most anonymous memory while opening it", (s) => gigabytes(s.openingAnonymous)],
  ["most anonymous memory in all", (s) => gigabytes(s.peakAnonymous)],
  ["most resident memory, mapped files included", (s) => gigabytes(s.peakResident)],
];

function render(measured: readonly (readonly [Case, Sizes])[]): string {
  const head = `| | ${measured.map(([{ what }]) => what).join(" | ")} |`;
  const rule = `| --- |${" ---: |".repeat(measured.length)}`;
  const rows = lines.map(
    ([label, show]) => `| ${label} | ${measured.map(([, sizes]) => show(sizes)).join(" | ")} |`,
  );
  return `# Limits

This page shows the time and memory of models of the published sizes. \`npx tsx bench/real-size.ts\` measured them with
random weights, all layers and the whole vocabulary, in bfloat16 on the CPU, and with a residual SAE of 16,384 features
in float32. The machine: ${cpus()[0]?.model}, ${cpus().length} cores,
${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}; the files were in the page cache.

${[head, rule, ...rows].join("\n")}

Weights in the file's own dtype are mapped and used in place. The pages in use are resident, but the kernel may drop
them, and several processes share them. A float32 file loaded as bfloat16 is converted tensor by tensor into anonymous
memory.

The rows about opening show the anonymous memory that this adds to the process. "In all" is the peak of the whole
process, which includes Node and every step of the table.

Two limits are fixed. One call handles at most 2³¹ active features: split the batch if you reach this. \`tensor.data\`
holds at most one ArrayBuffer: take a \`slice\` of a larger tensor.
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
    console.error(`real-size: expected some of ${names.join(", ")}, got ${unknown.join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const measured: [Case, Sizes][] = [];
  for (const item of cases) {
    if (wanted.includes(item.name)) measured.push([item, await measure(item, values.dir)]);
  }
  console.log(
    JSON.stringify(
      measured.map(([{ name }, sizes]) => ({ name, ...sizes })),
      null,
      2,
    ),
  );
  const text = render(measured);
  if (measured.length < cases.length) {
    console.log(text);
    console.error(`real-size: ${page} is written when all of ${names.join(", ")} ran`);
    return;
  }
  // What follows is real-size-coders.ts's.
  const [, more = ""] = readFileSync(page, "utf8").split(/(?=^## )/m);
  writeFileSync(`${page}.part`, more === "" ? text : `${text}\n${more}`);
  renameSync(`${page}.part`, page);
}

exitOnSignals();
main();
