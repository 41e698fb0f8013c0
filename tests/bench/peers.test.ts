import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PeerEnded, PeerProcess } from "../../bench/peer-process.js";
import { Peers } from "../../bench/peers.js";
import type { Group, Opened, Row } from "../../bench/row.js";
import { runGroups } from "../../bench/run-groups.js";
import { temporaryFolder } from "../../bench/temporary.js";

// Answers as bench/python/peer.py does, but is killed at the request that the variable names, as
// the system kills a process that is out of memory.
const peer = `#!${process.execPath}
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  if (request.do === process.env.GEMLENS_TEST_DIES) return process.kill(process.pid, "SIGKILL");
  console.log(JSON.stringify(request.do === "bad" ? { error: "no such thing" } : { ms: 20 }));
});
console.log(JSON.stringify({ torch: "0.0" }));
`;

const { folder } = temporaryFolder();
const python = join(folder, "python");
writeFileSync(python, peer);
chmodSync(python, 0o755);

let errors: string[] = [];
beforeEach(() => {
  errors = [];
  vi.spyOn(console, "error").mockImplementation((text: string) => void errors.push(text));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe("a peer", () => {
  test("names the signal that killed it, and closes", async () => {
    vi.stubEnv("GEMLENS_TEST_DIES", "run");
    const process = await PeerProcess.start(python);
    await expect(process.request({ do: "bad" })).rejects.toThrow("no such thing");
    const killed = process.request({ do: "run" });
    await expect(killed).rejects.toThrow(PeerEnded);
    await expect(killed).rejects.toThrow("the peer ended (SIGKILL)");
    await process.close();
  });

  test("ends when it is closed", async () => {
    const process = await PeerProcess.start(python);
    expect(await process.request({ do: "run" })).toEqual({ ms: 20 });
    await process.close();
    await expect(process.request({ do: "run" })).rejects.toThrow("the peer ended (exit code 0)");
  });
});

describe("a measured row", () => {
  const row = (id: string, open: (peers: Peers) => Promise<Opened>): Row => ({
    id,
    what: "work",
    work: { count: 1, of: "runs" },
    open,
  });
  const ours = { name: "gemlens", run: async () => 10 };
  const alone = (id: string) => row(id, async () => ({ sides: [ours], close: () => undefined }));
  const withPeer = row("P", async (peers) => {
    const loaded = await peers.load("saelens", {});
    const sides = loaded === undefined ? [ours] : [ours, loaded.side("work", {})];
    return { sides, close: async () => loaded?.unload() };
  });
  const run = async (groups: readonly Group[]) => {
    const peers = new Peers({ a: python }, 1);
    const printed: string[] = [];
    const { measured, failed } = await runGroups(groups, peers, {
      wants: () => true,
      roundsOf: () => ({ rounds: 2, warmUp: 0 }),
      print: ({ id }) => void printed.push(id),
    });
    await peers.close();
    expect(measured.map(({ id }) => id)).toEqual(printed);
    return { measured, failed };
  };

  test("survives a peer that is killed while it unloads, and the failure is reported", async () => {
    vi.stubEnv("GEMLENS_TEST_DIES", "unload");
    const { measured, failed } = await run([{ rows: [withPeer] }, { rows: [alone("B")] }]);
    expect(measured.map(({ id, sides }) => [id, sides.length])).toEqual([
      ["P", 2],
      ["B", 1],
    ]);
    expect(failed).toBe(1);
    expect(errors.join("\n")).toContain("does not unload: the peer ended (SIGKILL)");
  });

  test("survives a peer that is killed while it loads, which counts as a failure and not as a missing peer", async () => {
    vi.stubEnv("GEMLENS_TEST_DIES", "load");
    const { measured, failed } = await run([{ rows: [withPeer] }]);
    expect(measured).toMatchObject([{ id: "P", sides: [{ name: "gemlens" }] }]);
    expect(failed).toBe(1);
    expect(errors.join("\n")).toContain("does not load: the peer ended (SIGKILL)");
  });

  test("survives a peer that is killed during a row, and loses only that row", async () => {
    vi.stubEnv("GEMLENS_TEST_DIES", "run");
    const { measured, failed } = await run([{ rows: [alone("A"), withPeer, alone("B")] }]);
    expect(measured.map(({ id }) => id)).toEqual(["A", "B"]);
    expect(failed).toBeGreaterThan(0);
  });

  test("survives a group that fails to open or to close", async () => {
    const fails = async () => {
      throw new Error("no disk left");
    };
    const { measured, failed } = await run([
      { rows: [alone("A")], open: fails },
      { rows: [alone("B")], open: async () => fails },
      { rows: [alone("C")] },
    ]);
    expect(measured.map(({ id }) => id)).toEqual(["B", "C"]);
    expect(failed).toBe(2);
    expect(errors[0]).toContain("opening A failed: Error: no disk left");
    expect(errors[1]).toContain("closing B failed: Error: no disk left");
  });
});
