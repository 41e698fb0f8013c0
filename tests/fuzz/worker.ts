// Opens inputs one after the other, in a process that drive.ts watches and may kill.
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFinding } from "./finding.js";
import { type Input, inputsOf } from "./input.js";
import { judge } from "./judge.js";
import { type Sample, samplesOf } from "./samples.js";
import { type Job, type Message, workerFailed } from "./worker-job.js";

const root = mkdtempSync(join(tmpdir(), "gemlens-fuzz-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

/** A sample's folder: written once; changed files are put in and removed again. */
class Folders {
  readonly #dirty = new Map<string, string[]>();

  prepare({ sample, changed }: Pick<Input, "sample" | "changed">): string {
    const folder = join(root, sample.name);
    const dirty = this.#dirty.get(sample.name);
    if (dirty === undefined) mkdirSync(folder);
    for (const name of dirty ?? Object.keys(sample.files)) {
      put(join(folder, name), sample.files[name] as Buffer);
    }
    for (const [name, bytes] of Object.entries(changed)) put(join(folder, name), bytes);
    this.#dirty.set(sample.name, Object.keys(changed));
    return folder;
  }
}

// Writes a new file each time, as the old one may still be mapped.
function put(path: string, bytes: Buffer): void {
  rmSync(path, { force: true });
  writeFileSync(path, bytes);
}

const send = (message: Message): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });

/** Opens every unchanged sample, which must succeed and also loads whatever loads once. */
async function warmUp(
  samples: readonly Sample[],
  folders: Folders,
  native: boolean,
): Promise<void> {
  for (const sample of samples) {
    const input = { sample, changed: {}, native };
    const { outcome, message } = await judge(
      input,
      folders.prepare(input),
      Number.POSITIVE_INFINITY,
    );
    if (outcome !== "opened") throw new Error(`the sample ${sample.name} gave ${message}`);
  }
}

async function main(job: Job): Promise<void> {
  const status = openSync(job.status, "r+");
  const index = Buffer.alloc(8);
  const folders = new Folders();
  const replayed = job.replay === undefined ? null : readFinding(job.replay).input;
  await warmUp(samplesOf(job.format), folders, job.nativeShare > 0 || replayed?.native === true);
  const make = inputsOf(job.format, job.seed, job.nativeShare);
  let outcomes: Record<string, number> = {};
  const started = process.cpuUsage();
  let at = job.from;
  for (; at < job.to; at++) {
    const input = replayed ?? make(at);
    const folder = folders.prepare(input);
    index.writeDoubleLE(at);
    writeSync(status, index, 0, 8, 0);
    const verdict = await judge(input, folder, job.slowestMs);
    outcomes[verdict.outcome] = (outcomes[verdict.outcome] ?? 0) + 1;
    if (verdict.problem !== null || replayed) await send({ type: "problem", index: at, verdict });
    if (at % 100 !== 99) continue;
    await send({ type: "counts", next: at + 1, outcomes });
    outcomes = {};
    const { user, system } = process.cpuUsage(started);
    if ((user + system) / 1e6 > job.cpuSeconds) job = { ...job, to: at + 1 };
  }
  await send({ type: "counts", next: at, outcomes });
  closeSync(status);
  process.disconnect();
}

main(JSON.parse(process.argv[2] as string) as Job).catch((error: unknown) => {
  console.error(error);
  process.exit(workerFailed);
});
