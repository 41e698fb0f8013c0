import { expect, test } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { mergeSpans } from "../../lib/hub/merge-spans.js";
import { openRemote } from "../../lib/hub/remote-file.js";
import { bytesOf } from "./bytes.js";
import { cut, refuse, status } from "./loopback-server.js";
import { caller, failure, filesBelow, repo, useHub } from "./support.js";

const place = useHub();
const archive = bytesOf(3_000_000);
const file = { repo, path: "params.npz" };
const count = (at: Parameters<typeof place.hub.faults.count>[0]) => place.hub.faults.count(at);

async function open(options = {}) {
  place.hub.commit(repo, { "params.npz": archive }, { xet: { scheme: "bg4" } });
  return await openRemote("featureDirection", file, options);
}

test("bytes by Range from the resolve URL, never Xet; each byte is counted", async () => {
  const remote = await open();
  expect(remote).toMatchObject({ repo, path: "params.npz", size: 3_000_000, local: undefined });
  const row = await remote.read(1_234_567, 9_216);
  expect(Buffer.from(row).equals(archive.subarray(1_234_567, 1_243_783))).toBe(true);
  expect(remote.bytesRead).toBe(9_216);
  expect(remote.requests).toBe(1);
  expect(count("xet-token") + count("reconstruction") + count("xorb")).toBe(0);
  expect(place.hub.faults.asked.map((asked) => [asked.place, asked.headers.range])).toEqual([
    ["head", undefined],
    ["resolve", "bytes=1234567-1243782"],
    ["cdn", "bytes=1234567-1243782"],
  ]);
  expect(filesBelow(place.home)).toEqual([]);
});

test("a signed link serves the next reads; once refused, it is renewed", async () => {
  const remote = await open();
  await remote.read(0, 10);
  await remote.read(100_000, 10);
  expect([count("resolve"), count("cdn")]).toEqual([1, 2]);
  place.hub.expireLinks();
  expect(
    Buffer.from(await remote.read(200_000, 10)).equals(archive.subarray(200_000, 200_010)),
  ).toBe(true);
  expect([count("resolve"), count("cdn")]).toEqual([2, 4]);
});

test("reads of one turn that lie close come by one request, far ones by their own", async () => {
  const remote = await open();
  const wanted = [
    [5_000, 100],
    [0, 4_000],
    [5_050, 20],
    [2_000_000, 64],
  ] as const;
  const rows = await Promise.all(wanted.map(([offset, length]) => remote.read(offset, length)));
  for (const [i, [offset, length]] of wanted.entries()) {
    expect(
      Buffer.from(rows[i] as Uint8Array).equals(archive.subarray(offset, offset + length)),
    ).toBe(true);
  }
  expect(remote.requests).toBe(2);
  expect(remote.bytesRead).toBe(5_100 + 64);
});

test("what was read is kept: a part of it costs nothing", async () => {
  const remote = await open();
  await remote.read(1000, 2000);
  const again = await remote.read(1500, 100);
  expect(Buffer.from(again).equals(archive.subarray(1500, 1600))).toBe(true);
  again.fill(0);
  expect((await remote.read(1500, 1))[0]).toBe(archive[1500]);
  expect(remote.requests).toBe(1);
  // No more than a megabyte of it.
  await remote.read(1_000_000, 1 << 20);
  await remote.read(1000, 10);
  expect(remote.requests).toBe(3);
});

test("the cache's copy is read instead, without the network", async () => {
  place.hub.commit(repo, { "params.npz": archive });
  const path = await hubFile(caller, file);
  place.hub.faults.asked.length = 0;
  await using remote = await openRemote("featureDirection", file, { offline: true });
  expect(remote.local).toBe(path);
  expect(Buffer.from(await remote.read(77, 99)).equals(archive.subarray(77, 176))).toBe(true);
  expect([remote.requests, remote.bytesRead, place.hub.faults.asked.length]).toEqual([0, 0, 0]);
});

test("cuts and failing servers are tried again; what came before them is counted too", async () => {
  const remote = await open();
  place.hub.faults.add("cdn", cut(1000));
  place.hub.faults.add("cdn", status(500));
  place.hub.faults.add("cdn", refuse());
  expect(Buffer.from(await remote.read(0, 5000)).equals(archive.subarray(0, 5000))).toBe(true);
  expect(remote.requests).toBe(4);
  expect(remote.bytesRead).toBe(6000);
});

test("a server that ignores Range is refused before the whole file comes", async () => {
  const remote = await open();
  place.hub.faults.add("cdn", () => ({ status: 200, body: archive }));
  expect(await failure(remote.read(0, 100))).toMatchObject({
    code: "DOWNLOAD",
    message: `featureDirection: expected bytes 0-99/3000000 for ${repo}/params.npz, got the whole file (200): check proxies: Range requests don't get through`,
  });
  expect(remote.bytesRead).toBe(0);
});

test("other bytes than those asked for are refused", async () => {
  const remote = await open();
  const range = { "content-range": "bytes 1-100/3000000" };
  place.hub.faults.add("cdn", (answer) => ({ ...answer, headers: range }));
  expect(await failure(remote.read(0, 100))).toMatchObject({ fields: { problem: "no-range" } });
});

test.each([
  [-1, 2],
  [0, -1],
  [2_999_999, 2],
  [0.5, 1],
  [0, Number.NaN],
])("bytes at %d, %d of them, are not all in the file", async (offset, length) => {
  const remote = await open();
  expect(await failure(remote.read(offset, length))).toMatchObject({ code: "ARGUMENT" });
  expect(count("resolve")).toBe(0);
});

test("no bytes need no request", async () => {
  const remote = await open();
  expect(await remote.read(3_000_000, 0)).toEqual(new Uint8Array());
  expect(count("resolve")).toBe(0);
});

test("an abort ends a read with its reason, and every read that waits with it", async () => {
  const controller = new AbortController();
  const remote = await open({ signal: controller.signal });
  place.hub.faults.add("cdn", (answer) => ({ ...answer, delayMs: 5000 }), 2);
  setTimeout(() => controller.abort("enough"), 100);
  const ends = await Promise.all([failure(remote.read(0, 9)), failure(remote.read(90_000, 9))]);
  expect(ends).toEqual(["enough", "enough"]);
});

test("mergeSpans: overlaps and small gaps are one, in the order of their places", () => {
  const spans = [
    { start: 10_000, end: 10_010 },
    { start: 0, end: 100 },
    { start: 50, end: 60 },
    { start: 4_196, end: 4_200 },
    { start: 14_107, end: 14_108 },
  ];
  expect(mergeSpans(spans).map(({ start, end, members }) => [start, end, members.length])).toEqual([
    [0, 4_200, 3],
    [10_000, 10_010, 1],
    [14_107, 14_108, 1],
  ]);
  expect(mergeSpans([])).toEqual([]);
});
