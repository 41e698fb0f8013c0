import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { type CpuTimes, cpuTimes, othersCpuShare } from "../../bench/contention.js";

// Works until it has used 0.3 s of processor time, however long that takes.
const work = "while (process.cpuUsage().user < 300_000);";
const worked = 30;

const times = () => cpuTimes() as CpuTimes;

describe("processor time", () => {
  test("counts a child that has ended as our own", () => {
    const before = times();
    spawnSync(process.execPath, ["-e", work]);
    expect(times().own - before.own).toBeGreaterThanOrEqual(worked);
  });

  test("counts a running child and its own child as ours", async () => {
    const before = times();
    const nested = `${work} require("node:child_process").spawn(process.execPath,
      ["-e", ${JSON.stringify(`${work} console.log("done"); setInterval(() => 0, 1000);`)}],
      { stdio: "inherit" });`;
    const child = spawn(process.execPath, ["-e", nested], { detached: true });
    await once(child.stdout, "data");
    const after = times();
    process.kill(-(child.pid as number), "SIGKILL");
    expect(after.own - before.own).toBeGreaterThanOrEqual(2 * worked);
    expect(after.busy).toBeGreaterThan(before.busy);
    expect(after.all).toBeGreaterThan(before.all);
    await once(child, "close");
  });

  test("counts all other busy time as other processes'", () => {
    const from = { all: 1000, busy: 500, own: 100 };
    expect(othersCpuShare(from, { all: 1400, busy: 800, own: 300 })).toBe(0.25);
    expect(othersCpuShare(from, { all: 1400, busy: 700, own: 300 })).toBe(0);
    // The two clocks may differ by a tick.
    expect(othersCpuShare(from, { all: 1400, busy: 699, own: 300 })).toBe(0);
  });
});
