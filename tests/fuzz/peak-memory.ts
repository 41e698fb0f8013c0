import { readFileSync, writeFileSync } from "node:fs";

/** The peak memory of this process between construction and `growth()`. */
export class PeakMemory {
  readonly #resident: number;
  readonly #external: number;

  constructor() {
    // Resets the peak to the current resident set (Linux ≥ 4.0).
    writeFileSync("/proc/self/clear_refs", "5");
    this.#resident = statusBytes("VmRSS");
    this.#external = process.memoryUsage().external;
  }

  /**
   * Growth in bytes: of resident pages, or of buffers that were never written and so have no pages.
   */
  growth(): number {
    const resident = statusBytes("VmHWM") - this.#resident;
    const external = process.memoryUsage().external - this.#external;
    return Math.max(resident, external, 0);
  }
}

function statusBytes(name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(
    readFileSync("/proc/self/status", "latin1"),
  ) ?? [null, "0"];
  return Number(kilobytes) * 1024;
}
