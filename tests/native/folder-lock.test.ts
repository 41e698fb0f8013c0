import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withLock } from "../../lib/fetch/folder-lock.js";
import { newFolder } from "../support/folder.js";

let folder: string;
let lock: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = newFolder();
  lock = join(folder, "lock");
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
});

function start(fixture: string, ...args: string[]): ChildProcess {
  const path = join(import.meta.dirname, "fixtures", fixture);
  const child = spawn(process.execPath, ["--import", "tsx", path, lock, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

async function outputOf(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  return text;
}

/** A turn of the lock whose holder's symlink says `target`. */
function plant(target: string) {
  mkdirSync(lock, { recursive: true });
  symlinkSync(target, join(lock, "1"));
}

const here = () => readlinkSync("/proc/self/ns/pid");

test("callers in one process take turns, and only a free turn is left", async () => {
  const order: string[] = [];
  const body = (name: string) => async () => {
    order.push(`${name} in`);
    await sleep(20);
    order.push(`${name} out`);
    return name;
  };
  const waited: string[] = [];
  const onWait = (holder: string) => waited.push(holder);
  const names = await Promise.all([
    withLock("test", lock, body("a"), { onWait }),
    withLock("test", lock, body("b"), { onWait }),
  ]);
  expect(names).toEqual(["a", "b"]);
  expect(order).toEqual(["a in", "a out", "b in", "b out"]);
  expect(waited).toHaveLength(1);
  expect(readdirSync(lock).map((name) => readlinkSync(join(lock, name)))).toEqual(["free"]);
  await expect(withLock("test", lock, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await withLock("test", lock, async () => 7)).toBe(7);
});

test("a silent or stopped holder keeps the lock; a killed one loses it", async () => {
  const holder = start("lock-hold.ts");
  await once(holder.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  holder.kill("SIGSTOP");
  let got = false;
  const waiting: string[] = [];
  const taking = withLock(
    "test",
    lock,
    async () => {
      got = true;
    },
    { onWait: (text) => waiting.push(text), patienceMs: 0 },
  );
  // Leaves time for many attempts.
  await sleep(1500);
  expect(got).toBe(false);
  expect(waiting[0]).toContain(` ${holder.pid} `);
  holder.kill("SIGKILL");
  await taking;
  expect(got).toBe(true);
});

test("never admits two of several processes, with a dead turn at the start and one that dies inside", async () => {
  plant(`${hostname()} ${here()} 4194304 1`);
  const runs = [["6"], ["6"], ["6"], ["6", "3"]].map((args) =>
    outputOf(start("lock-rounds.ts", ...args)),
  );
  expect(await Promise.all(runs)).toEqual(["done\n", "done\n", "done\n", ""]);
});

test("treats a process number that another process now has as a dead holder", async () => {
  const start = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[19];
  plant(`${hostname()} ${here()} ${process.pid} ${Number(start) - 1}`);
  const waited: string[] = [];
  const onWait = (holder: string) => waited.push(holder);
  expect(await withLock("test", lock, async () => 7, { onWait })).toBe(7);
  expect(waited).toEqual([]);
});

test.each([
  ["a holder on another machine", (path: string) => symlinkSync("elsewhere pid:[1] 1 1", path)],
  [
    "a holder in another process namespace",
    (path: string) => symlinkSync(`${hostname()} pid:[1] 4194304 1`, path),
  ],
  ["an invalid lock", (path: string) => writeFileSync(path, "")],
])("waits for %s, then reports it, and never takes the lock over", async (_what, make) => {
  mkdirSync(lock);
  make(join(lock, "1"));
  const run = withLock("test", lock, async () => 7, { patienceMs: 800 });
  await expect(run).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /^test: .* is held by .*: remove that folder if that process has ended$/,
    ),
    fields: { folder: lock },
  });
  expect(readdirSync(lock)).toEqual(["1"]);
});
