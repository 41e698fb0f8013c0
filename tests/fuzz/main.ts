// Opens changed files through the public readers until one makes them misbehave.
//
//     npx tsx tests/fuzz/main.ts --format npz --minutes 30 --seed 7 --out findings
//     npx tsx tests/fuzz/main.ts --format npz --inputs 10000
//     npx tsx tests/fuzz/main.ts --replay findings/npz-7-4711.json
//
// Minutes are processor minutes of the worker. Format, seed and index determine an input. Every
// finding is saved and replays. Exits with 1 if there is a finding.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import {
  nonNegativeInteger,
  positiveInteger,
  positiveNumber,
  share,
} from "../../bench/number-options.js";
import { fuzz, replay } from "./drive.js";
import { readFinding, saveFinding } from "./finding.js";
import { type Format, formats } from "./samples.js";

interface Options {
  readonly format: Format;
  readonly minutes?: number;
  readonly inputs?: number;
  readonly seed: number;
  readonly native: number;
  readonly out: string;
  readonly replay?: string;
}

const second = 1000;

async function run(options: Options): Promise<void> {
  if (options.replay !== undefined) {
    const problem = await replay(readFinding(options.replay).format, options.replay);
    console.log(problem ?? "as it should be");
    process.exitCode = problem === null ? 0 : 1;
    return;
  }
  const { format, seed, inputs } = options;
  const minutes = options.minutes ?? (inputs === undefined ? 1 : undefined);
  console.log(`format ${format}, seed ${seed}`);
  const started = performance.now();
  let printed = started;
  const report = await fuzz({
    format,
    seed,
    nativeShare: options.native,
    ...(inputs !== undefined && { inputs }),
    ...(minutes !== undefined && { cpuSeconds: minutes * 60 }),
    onFinding(finding) {
      const path = saveFinding(options.out, finding);
      console.log(`FINDING ${finding.sample}, ${finding.step}: ${finding.problem}\n  ${path}`);
    },
    onProgress({ inputs: done, cpuSeconds, findings }) {
      if (performance.now() - printed < 30 * second) return;
      printed = performance.now();
      const minutesDone = (cpuSeconds / 60).toFixed(1);
      console.log(`${done} inputs, ${minutesDone} processor minutes, ${findings.length} findings`);
    },
  });
  const minutesTaken = (performance.now() - started) / second / 60;
  console.log(
    `${format}, seed ${seed}: ${report.inputs} inputs in ${(report.cpuSeconds / 60).toFixed(1)} ` +
      `processor minutes (${minutesTaken.toFixed(1)} by the clock), ${report.findings.length} findings`,
  );
  console.log(JSON.stringify(report.outcomes));
  process.exitCode = report.findings.length === 0 ? 0 : 1;
}

new Command("fuzz")
  .addOption(new Option("--format <format>", "what to change").choices(formats).default("npz"))
  .option("--minutes <n>", "processor minutes", positiveNumber)
  .option("--inputs <n>", "number of inputs", positiveInteger)
  .option("--seed <n>", "makes the same inputs again", nonNegativeInteger, Date.now() % 1_000_000)
  .option("--native <share>", "how many inputs are loaded and run as well, 0 to 1", share, 0.05)
  .option("--out <folder>", "where findings go", join(tmpdir(), "gemlens-fuzz-findings"))
  .option("--replay <file>", "opens a saved finding again")
  .action(run)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 2;
  });
