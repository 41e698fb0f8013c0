import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { completeFinding, type Finding, type FindingRecord } from "./finding.js";
import type { Format } from "./samples.js";
import { type Job, type Message, slowestInput, workerFailed } from "./worker-job.js";

export interface FuzzOptions {
  readonly format: Format;
  readonly seed: number;
  /** Stops after this many inputs, or this much processor time of the workers. */
  readonly inputs?: number;
  readonly cpuSeconds?: number;
  /** The share of inputs that are loaded and run natively, from 0 to 1. */
  readonly nativeShare?: number;
  /** Processor time above which an input is a finding. */
  readonly slowestMs?: number;
  readonly onFinding?: (finding: Finding) => void;
  readonly onProgress?: (report: FuzzReport) => void;
}

export interface FuzzReport {
  inputs: number;
  /** How many inputs opened, and how many gave which error. */
  readonly outcomes: Record<string, number>;
  readonly findings: Finding[];
  cpuSeconds: number;
}

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

// The worker itself reports inputs that end after two seconds; this limit is for inputs that hang.
const hangCpuSeconds = 6;
const hangWallSeconds = 120;
const pollMs = 250;
// Linux' USER_HZ.
const ticksPerSecond = 100;

/**
 * Runs inputs in child processes. An input that hangs or kills its process is a finding, and the
 * next one runs.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { format, seed, inputs = Number.MAX_SAFE_INTEGER, nativeShare = 0 } = options;
  const { slowestMs = slowestInput } = options;
  const report: FuzzReport = { inputs: 0, outcomes: {}, findings: [], cpuSeconds: 0 };
  const note = (record: Omit<FindingRecord, "format" | "seed">): void => {
    const finding = completeFinding({ format, seed, ...record }, nativeShare);
    report.findings.push(finding);
    options.onFinding?.(finding);
  };
  const budget = options.cpuSeconds ?? Number.MAX_SAFE_INTEGER;
  while (report.inputs < inputs && report.cpuSeconds < budget) {
    const before = report.cpuSeconds;
    const job = { format, seed, from: report.inputs, to: inputs, nativeShare, slowestMs };
    const end = await runWorker({ ...job, cpuSeconds: budget - before }, (message, cpu) => {
      report.cpuSeconds = before + cpu;
      if (message.type === "problem") {
        const { problem, outcome, step, message: text } = message.verdict;
        const record = { problem: problem ?? "", outcome, step, message: text };
        note({ index: message.index, ...record });
        return;
      }
      report.inputs = message.next;
      for (const [outcome, count] of Object.entries(message.outcomes)) {
        report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + count;
      }
      options.onProgress?.(report);
    });
    report.cpuSeconds = before + end.cpuSeconds;
    if (end.problem === null) break;
    note({ index: end.index, problem: end.problem, outcome: "lost", step: "", message: "" });
    report.outcomes["lost"] = (report.outcomes["lost"] ?? 0) + 1;
    report.inputs = end.index + 1;
  }
  return report;
}

/** Opens a saved finding again under the same watch. Returns its problem, or null. */
export async function replay(format: Format, path: string): Promise<string | null> {
  const lines: string[] = [];
  const one = { format, seed: 0, from: 0, to: 1, cpuSeconds: 3600, nativeShare: 0 };
  const job = { ...one, slowestMs: slowestInput, replay: path };
  const end = await runWorker(job, (message) => {
    if (message.type !== "problem") return;
    const { outcome, step, message: text, problem, cpuMs, memory } = message.verdict;
    console.log(`${step}: ${outcome} ${text}`);
    console.log(`${cpuMs.toFixed(1)} ms, ${memory} bytes at the peak`);
    if (problem !== null) lines.push(problem);
  });
  return end.problem ?? lines[0] ?? null;
}

interface End {
  /** Why the worker was lost; null if it ended normally. */
  readonly problem: string | null;
  readonly index: number;
  readonly cpuSeconds: number;
}

async function runWorker(
  job: Omit<Job, "status">,
  onMessage: (message: Message, cpuSeconds: number) => void,
): Promise<End> {
  const folder = mkdtempSync(join(tmpdir(), "gemlens-fuzz-status-"));
  const status = join(folder, "status");
  const index = Buffer.alloc(8);
  index.writeDoubleLE(-1);
  writeFileSync(status, index);
  const flags = ["--expose-gc", "--max-old-space-size=1024", "--import", tsx];
  const argument = JSON.stringify({ ...job, status } satisfies Job);
  const child = spawn(process.execPath, [...flags, worker, argument], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  try {
    return await watch(child, () => readFileSync(status).readDoubleLE(), onMessage);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function watch(
  child: ChildProcess,
  readIndex: () => number,
  onMessage: (message: Message, cpuSeconds: number) => void,
): Promise<End> {
  let cpu = 0;
  let seen = { index: -1, cpu: 0, waited: 0 };
  let last = performance.now();
  let hung: string | null = null;
  const poll = (): void => {
    cpu = Math.max(cpu, cpuSecondsOf(child.pid));
    const index = readIndex();
    // One look counts for at most a second: both processes may have been stopped and continued.
    const waited = seen.waited + Math.min(1, (performance.now() - last) / 1000);
    last = performance.now();
    seen = index === seen.index ? { ...seen, waited } : { index, cpu, waited: 0 };
    const used = cpu - seen.cpu;
    if (used < hangCpuSeconds && seen.waited < hangWallSeconds) return;
    if (index < 0 && seen.waited < hangWallSeconds) return; // The process is still starting.
    hung = `hangs: ${used.toFixed(1)} s of processor, ${seen.waited.toFixed(1)} s in all`;
    child.kill("SIGKILL");
  };
  const timer = setInterval(poll, pollMs);
  child.on("message", (message) => {
    poll();
    onMessage(message as Message, cpu);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(timer);
      const index = readIndex();
      const problem = hung ?? (code === 0 ? null : `the process died (${signal ?? code})`);
      const own = code === workerFailed || (index < 0 && problem !== null);
      if (own) reject(new Error(`the worker itself failed at input ${index}: ${problem}`));
      else resolve({ problem, index, cpuSeconds: cpu });
    });
  });
}

/** Processor time of a process so far; 0 after it ended. */
function cpuSecondsOf(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0;
  }
}
