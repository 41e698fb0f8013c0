import { readdirSync, readFileSync } from "node:fs";

/** Processor time since the machine started, in clock ticks. */
export interface CpuTimes {
  readonly all: number;
  /** Not idle, or stolen by another guest of the same host. */
  readonly busy: number;
  /** Of this process and of all its descendants, ended or not. */
  readonly own: number;
}

/** undefined if there is no /proc. */
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

/** Other processes' share of all cores' time between two readings, 0 to 1. */
export function othersCpuShare(from: CpuTimes, to: CpuTimes): number {
  const others = to.busy - from.busy - (to.own - from.own);
  return Math.min(1, Math.max(0, others / (to.all - from.all)));
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** Living descendants; the time of ended ones counts for the process that waited for them. */
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
    // The process has ended meanwhile.
    return undefined;
  }
  // The fields after the name, which may hold any character: state, parent, …. From the 12th: user
  // time, system time, and the same of ended children.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const times = fields.slice(11, 15).map(Number);
  return { pid, parent: Number(fields[1]), ticks: times.reduce((a, b) => a + b, 0) };
}
