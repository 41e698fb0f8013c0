import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { hubFile, hubFiles } from "../../lib/hub/hub-file.js";
import type { HubProgress } from "../../lib/hub/hub-options.js";
import { bytesOf } from "./bytes.js";
import { cut, header, late, refuse, slow, status, wrongBytes } from "./loopback-server.js";
import { caller, failure, repo, useHub } from "./support.js";

const place = useHub();
const root = join(import.meta.dirname, "../..");
const weights = bytesOf(2_500_000);
const file = { repo, path: "w" };

const work = () => join(place.cache, "models--google--gemma-2-2b/.gemlens");
const part = () => join(work(), `${place.hub.etag(repo, "w")}.part`);
const ranges = () =>
  place.hub.faults.asked
    .filter((asked) => asked.place === "cdn")
    .map(({ headers }) => headers.range);

async function expectWhole(path: string | Promise<string>) {
  expect(readFileSync(await path).equals(weights)).toBe(true);
  expect(readdirSync(work()).filter((name) => !name.endsWith(".lock"))).toEqual([]);
}

/** Leaves a part with a journal, as a process that was killed does. */
function leavePart(bytes: Uint8Array, journal: Record<string, unknown> = {}): void {
  mkdirSync(work(), { recursive: true });
  writeFileSync(part(), bytes);
  const etag = place.hub.etag(repo, "w");
  const all = { format: 1, repo, path: "w", etag, size: weights.length, ...journal };
  writeFileSync(part().replace(/\.part$/, ".json"), JSON.stringify(all));
}

test("a connection that breaks again and again is resumed where it broke", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", cut(1_200_000));
  place.hub.faults.add("cdn", cut(800_000));
  await expectWhole(hubFile(caller, file));
  const [first, second, third] = ranges();
  const start = (range: string | undefined) =>
    Number(/^bytes=(\d+)-2499999$/.exec(range ?? "")?.[1]);
  expect(first).toBeUndefined();
  expect(start(second)).toBeGreaterThan(1_000_000);
  expect(start(third)).toBeGreaterThan(start(second));
});

test("the part that an earlier process left is resumed, and hashed as well", async () => {
  place.hub.commit(repo, { w: weights });
  leavePart(weights.subarray(0, 2_000_001));
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual(["bytes=2000001-2499999"]);
});

test("a part that is complete needs no request for bytes", async () => {
  place.hub.commit(repo, { w: weights });
  leavePart(weights);
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual([]);
});

test("a part that is damaged is fetched again from its start", async () => {
  place.hub.commit(repo, { w: weights });
  const damaged = Buffer.from(weights.subarray(0, 1_000_000));
  damaged.fill(0, 500_000, 600_000);
  leavePart(damaged);
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual(["bytes=1000000-2499999", undefined]);
});

const foreign: [string, Record<string, unknown>][] = [
  ["of another file", { etag: "0".repeat(64) }],
  ["of another length", { size: 7 }],
  ["of another format", { format: 2 }],
];
test.each(foreign)("a part with a journal %s is not resumed", async (_, journal) => {
  place.hub.commit(repo, { w: weights });
  leavePart(bytesOf(1000, 9), journal);
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual([undefined]);
});

test.each(["", "null", "{", "[]", `{"format":1${" ".repeat(70_000)}}`])(
  "a part with the journal %.20j is not resumed",
  async (text) => {
    place.hub.commit(repo, { w: weights });
    leavePart(bytesOf(1000, 9));
    writeFileSync(part().replace(/\.part$/, ".json"), text);
    await expectWhole(hubFile(caller, file));
    expect(ranges()).toEqual([undefined]);
  },
);

test("a part that is longer than the file, or a link, is not resumed", async () => {
  place.hub.commit(repo, { w: weights });
  leavePart(Buffer.concat([weights, weights]));
  await expectWhole(hubFile(caller, file));

  const other = place.hub.commit(repo, { w: bytesOf(1000, 3) });
  expect(other).toBeDefined();
  const outside = join(place.home, "outside");
  writeFileSync(outside, "untouched");
  symlinkSync(outside, part());
  expect(await failure(hubFile(caller, file))).toMatchObject({ code: "DOWNLOAD" });
  expect(readFileSync(outside, "utf8")).toBe("untouched");
});

test("wrong bytes are refused and never kept", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", wrongBytes(), 10);
  const error = await failure(hubFile(caller, file));
  expect(error).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /^fromPretrained: expected sha256 [0-9a-f]{64} for google\/gemma-2-2b\/w, got [0-9a-f]{64}: nothing was kept; try again, and check proxies that change files$/,
    ),
    fields: { problem: "damaged" },
  });
  expect(readdirSync(work()).filter((name) => !name.endsWith(".lock"))).toEqual([]);
  expect(existsSync(join(work(), "../blobs"))).toBe(false);
  expect(existsSync(join(work(), "../snapshots"))).toBe(false);
});

test("a small file is checked by git's sha1", async () => {
  place.hub.commit(repo, { w: "config" }, { small: true });
  place.hub.faults.add("resolve", (answer) => answer);
  place.hub.faults.add("resolve", wrongBytes());
  expect((await failure(hubFile(caller, file))).message).toContain("expected git sha1 ");
  expect(readFileSync(await hubFile(caller, file), "utf8")).toBe("config");
});

test("more bytes than the file has are wrong bytes", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", (answer) => ({ ...answer, body: Buffer.concat([weights, weights]) }));
  expect((await failure(hubFile(caller, file))).message).toContain(
    "expected 2500000 bytes for google/gemma-2-2b/w, got more",
  );
  expect(existsSync(part())).toBe(false);
});

test("an empty file", async () => {
  place.hub.commit(repo, { w: "", e: "" }, { small: true });
  expect(statSync(await hubFile(caller, file)).size).toBe(0);
});

test("storage that stumbles is asked again; links are signed anew each time", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", status(500));
  place.hub.faults.add("cdn", refuse());
  await expectWhole(hubFile(caller, file));
  expect(place.hub.faults.count("resolve")).toBe(3);
});

test("a signed link that has expired is renewed; one that stays so is an error", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("resolve", (answer) => {
    place.hub.expireLinks();
    return answer;
  });
  await expectWhole(hubFile(caller, file));
  expect(place.hub.faults.count("cdn")).toBe(2);

  place.hub.commit(repo, { w: bytesOf(1000, 3) });
  place.hub.faults.add("cdn", status(403), 100);
  const host = place.hub.cdn.slice("http://".length);
  expect(await failure(hubFile(caller, file))).toMatchObject({
    code: "DOWNLOAD",
    message: `fromPretrained: expected a signed link that is valid for ${repo}/w, got 403 from ${host} twice: check this machine's clock, and whether a proxy changes links`,
    fields: { problem: "expired" },
  });
});

test("a server that ignores Range sends the whole again, and the part starts anew", async () => {
  place.hub.commit(repo, { w: weights });
  leavePart(weights.subarray(0, 1_000_000));
  place.hub.faults.add("cdn", () => ({ status: 200, body: weights }));
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual(["bytes=1000000-2499999", undefined]);
});

test("a stalled connection is given up after HF_HUB_DOWNLOAD_TIMEOUT, and resumed", async () => {
  process.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "1";
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", slow(60_000));
  place.hub.faults.add("cdn", late(60_000));
  await expectWhole(hubFile(caller, file));
  expect(place.hub.faults.count("cdn")).toBe(3);
}, 20_000);

test("progress: of each file and of all, up to the whole", async () => {
  const sizes: Record<string, number> = { w: weights.length, v: 100_000 };
  place.hub.commit(repo, { w: weights, v: bytesOf(100_000) });
  place.hub.faults.add("cdn", slow(3), 2);
  const events: HubProgress[] = [];
  await hubFiles(
    caller,
    { repo, paths: ["w", "v"] },
    { onProgress: (event) => events.push(event) },
  );
  for (const [path, total] of Object.entries(sizes)) {
    const own = events.filter((event) => event.path === path);
    const done = own.map((event) => event.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(own.at(-1)).toMatchObject({ repo, path, done: total, total });
  }
  expect(events.at(-1)?.overall).toEqual({ done: 2_600_000, total: 2_600_000 });
  expect(events.length).toBeGreaterThan(3);
  expect(events.length).toBeLessThan(40);
  // A cached file is no download.
  events.length = 0;
  await hubFiles(
    caller,
    { repo, paths: ["w", "v"] },
    { onProgress: (event) => events.push(event) },
  );
  expect(events).toEqual([]);
});

test("a callback that throws ends the call with its error", async () => {
  place.hub.commit(repo, { w: weights });
  const mine = new Error("mine");
  const onProgress = () => {
    throw mine;
  };
  expect(await failure(hubFile(caller, file, { onProgress }))).toBe(mine);
  expect(place.hub.faults.count("cdn")).toBeLessThanOrEqual(1);
});

test("an abort rejects with its reason, wherever it comes, and the part stays", async () => {
  place.hub.commit(repo, { w: weights });
  const reason = { why: "stop" };
  expect(await failure(hubFile(caller, file, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(place.hub.faults.asked).toEqual([]);

  const during = async (at: "head" | "resolve" | "cdn") => {
    const controller = new AbortController();
    place.hub.faults.add(at, (answer) => {
      setTimeout(() => controller.abort(reason), 150);
      return at === "cdn" ? { ...answer, paceMs: 5 } : { ...answer, delayMs: 5000 };
    });
    const since = performance.now();
    expect(await failure(hubFile(caller, file, { signal: controller.signal }))).toBe(reason);
    expect(performance.now() - since).toBeLessThan(3000);
  };
  await during("head");
  await during("resolve");
  await during("cdn");
  const { size } = statSync(part());
  expect(size).toBeGreaterThan(0);
  await expectWhole(hubFile(caller, file));
  expect(ranges().at(-1)).toBe(`bytes=${size}-2499999`);
});

test("an abort ends the pause of a rate limit", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("head", status(429, { "retry-after": "30" }));
  const signal = AbortSignal.timeout(200);
  expect(await failure(hubFile(caller, file, { signal }))).toBe(signal.reason);
});

/** Another process that fetches the file; prints where it is. */
function otherProcess(): ChildProcess {
  const script = `import { hubFile } from "./dist/hub/hub-file.js";
    const path = await hubFile("other", ${JSON.stringify(file)});
    console.log(path);`;
  const args = ["--input-type=module", "-e", script];
  return spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
}

async function output(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  return text.trim();
}

async function partHolds(bytes: number): Promise<void> {
  await vi.waitUntil(() => existsSync(part()) && statSync(part()).size >= bytes, {
    timeout: 20_000,
    interval: 5,
  });
}

test("kill -9: the next process resumes what was written", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", slow(8));
  const child = otherProcess();
  await partHolds(1_000_000);
  child.kill("SIGKILL");
  await once(child, "close");
  const { size } = statSync(part());
  await expectWhole(hubFile(caller, file));
  expect(ranges()).toEqual([undefined, `bytes=${size}-2499999`]);
});

test("two processes at once: one fetches, the other waits and has the file", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", slow(4));
  const child = otherProcess();
  const theirs = output(child);
  await partHolds(1);
  const events: HubProgress[] = [];
  const ours = await hubFile(caller, file, { onProgress: (event) => events.push(event) });
  expect(await theirs).toBe(ours);
  await expectWhole(ours);
  expect(place.hub.faults.count("cdn")).toBe(1);
  expect(events.map(({ waitingFor }) => waitingFor?.includes(`${child.pid}`))).toEqual([true]);
});

test("an abort while another process fetches", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", slow(4));
  const theirs = output(otherProcess());
  await partHolds(1);
  const signal = AbortSignal.timeout(50);
  expect(await failure(hubFile(caller, file, { signal }))).toBe(signal.reason);
  expect(await theirs).toContain("/snapshots/");
});

test("the same file twice in one process is fetched once", async () => {
  place.hub.commit(repo, { w: weights });
  const [a, b] = await Promise.all([hubFile(caller, file), hubFile(caller, file)]);
  expect(a).toBe(b);
  expect(place.hub.faults.count("cdn")).toBe(1);
});

test("a process that has what it asked for ends by itself", async () => {
  place.hub.commit(repo, { w: weights });
  const child = otherProcess();
  const done = output(child);
  const since = performance.now();
  await done;
  expect(child.exitCode).toBe(0);
  expect(performance.now() - since).toBeLessThan(15_000);
});

test("a disk that fills up meanwhile: what is there stays, and the error says so", async () => {
  place.hub.commit(repo, { w: weights });
  const script = `import { hubFile } from "./dist/hub/hub-file.js";
    process.on("SIGXFSZ", () => {});
    await hubFile("fromPretrained", ${JSON.stringify(file)}).catch((error) => console.log(error.code, error.message));`;
  // A limit of 1.5 MB for a file: the system call fails as on a full disk, with EFBIG.
  const command = `ulimit -f 1500; exec "${process.execPath}" --input-type=module -e '${script.replaceAll("'", "'\\''")}'`;
  const child = spawn("bash", ["-c", command], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  expect(await output(child)).toMatch(
    /^DOWNLOAD fromPretrained: expected to write to .*, got EFBIG/,
  );
  expect(statSync(part()).size).toBe(1_536_000);
  await expectWhole(hubFile(caller, file));
  expect(ranges().at(-1)).toBe("bytes=1536000-2499999");
});

test("the size that the hub says is wrong: refused, nothing kept", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("head", header("x-linked-size", "2400000"));
  expect(await failure(hubFile(caller, file))).toMatchObject({ code: "DOWNLOAD" });
  await sleep(0);
  expect(existsSync(dirname(part())) && existsSync(part())).toBe(false);
});
