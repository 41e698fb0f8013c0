import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import type { Measured } from "./measure.js";
import type { Versions } from "./peer-process.js";
import type { Device } from "./row.js";

/** The report of one run of the bench. */
export interface Report {
  readonly date: string;
  readonly commit: string;
  /** Some files differed from that commit. */
  readonly changed: boolean;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryBytes: number };
  readonly device: Device;
  /** The GPU's name, if it ran on one. */
  readonly gpu?: string;
  readonly threads: number;
  readonly versions: { readonly node: string; readonly libtorch: string };
  /** By environment of bench/python. */
  readonly peers: Readonly<Record<string, Versions>>;
  /**
   * Other processes' share of the cores' time during the run, 0 to 1; missing in older reports, and
   * without /proc.
   */
  readonly othersCpuShare?: number;
  readonly rows: readonly Measured[];
}

export const resultsFolder = join(import.meta.dirname, "results");

function git(...args: string[]): string | undefined {
  try {
    const cwd = dirname(import.meta.dirname);
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return execFileSync("git", args, { cwd, encoding: "utf8", stdio: [...stdio] }).trim();
  } catch {
    return undefined;
  }
}

function gpuName(): string {
  const args = ["--query-gpu=name", "--format=csv,noheader"];
  return execFileSync("nvidia-smi", args, { encoding: "utf8" }).trim().split("\n")[0] as string;
}

/**
 * The machine and software of this run. GEMLENS_BENCH_COMMIT names the commit of a copy without
 * git, as `git describe --always --dirty` prints it.
 */
export function describeMachine(device: Device) {
  const all = cpus();
  const described =
    process.env["GEMLENS_BENCH_COMMIT"] ?? git("describe", "--always", "--dirty", "--exclude=*");
  const [commit = "unknown", dirty] = described?.split("-") ?? [];
  return {
    device,
    ...(device === "cuda" ? { gpu: gpuName() } : {}),
    commit,
    changed: dirty !== undefined,
    machine: {
      cpu: all[0]?.model.trim() ?? "unknown",
      cores: all.length,
      memoryBytes: totalmem(),
    },
  };
}

/**
 * Writes bench/results/<date>-<commit>.json, or latest.json (ignored by git) for some of the rows;
 * returns its path.
 */
export function writeReport(report: Report, whole: boolean): string {
  mkdirSync(resultsFolder, { recursive: true });
  const suffix = report.device === "cpu" ? "" : `-${report.device}`;
  const kept = `${report.date.slice(0, 10)}-${report.commit}${suffix}.json`;
  const name = whole ? kept : "latest.json";
  const path = join(resultsFolder, name);
  writeFileSync(`${path}.part`, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(`${path}.part`, path);
  return path;
}

/** The newest kept report of this device; undefined if there is none. */
export function newestReport(device: Device = "cpu"): Report | undefined {
  if (!existsSync(resultsFolder)) return undefined;
  return readdirSync(resultsFolder)
    .filter((name) => /^\d{4}-\d\d-\d\d-.*\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(resultsFolder, name), "utf8")) as Report)
    .filter((report) => report.device === device)
    .sort((a, b) => a.date.localeCompare(b.date))
    .at(-1);
}
