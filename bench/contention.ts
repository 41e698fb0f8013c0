import { readdirSync, readFileSync } from "node:fs";

/** Processor time since the machine started, in clock ticks. */
export interface CpuTimes {
  readonly all: number;
  /** Not idle, or taken by another guest of the same host. */
  readonly busy: number;
  /** Of this process and of everything that it started, ended or not. */
  readonly own: number;
}

/** undefined where there is no /proc. */
export function cpuTimes(): CpuTimes | undefined {
  try {
    const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    const [user, nice, system, idle, waiting, interrupts, soft, stolen] = first
      .split(/\s+/)
      .slice(1)
      .map(Number) as [number, number, number, number, number, number, number, number];
    const busy = user + nice + system + interrupts + soft + stolen;
    return { all: busy + idle + waiting, busy, own: ownTicks() };
  } catch {
    return undefined;
  }
}

/** The part of all cores' time between the two that other processes took, 0 to 1. */
export function othersCpuShare(from: CpuTimes, to: CpuTimes): number {
  const others = to.busy - from.busy - (to.own - from.own);
  return Math.min(1, Math.max(0, others / (to.all - from.all)));
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** Living descendants; those that ended are in the times of who waited for them. */
function ownTicks(): number {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => processTimes(Number(pid)) ?? []);
  const own = new Set([process.pid]);
  for (let before = 0; before < own.size; ) {
    before = own.size;
    for (const { pid, parent } of all) if (own.has(parent)) own.add(pid);
  }
  return all.reduce((sum, { pid, ticks }) => (own.has(pid) ? sum + ticks : sum), 0);
}

function processTimes(pid: number): ProcessTimes | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
  // After the name, which may hold anything: state, parent, …, and from the 12th on its time in user
  // and system mode, and the same of children that ended.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const times = fields.slice(11, 15).map(Number);
  return { pid, parent: Number(fields[1]), ticks: times.reduce((a, b) => a + b, 0) };
}
