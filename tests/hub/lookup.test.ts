import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { hubFile, hubFiles } from "../../lib/hub/hub-file.js";
import { hubFileInfo } from "../../lib/hub/hub-file-info.js";
import { bytesOf } from "./bytes.js";
import { type Fault, late, refuse, status } from "./loopback-server.js";
import { caller, failure, filesBelow, repo, useHub } from "./support.js";

const place = useHub();
const weights = bytesOf(50_000);
const file = { repo, path: "w" };

/** A cache that has `w` of main; returns its path there. */
async function cachedWeights(): Promise<string> {
  place.hub.commit(repo, { w: weights });
  const path = await hubFile(caller, file);
  place.hub.faults.asked.length = 0;
  return path;
}

test("a commit that is cached needs no request", async () => {
  const path = await cachedWeights();
  const revision = path.split("/").at(-2) as string;
  expect(await hubFile(caller, { ...file, revision })).toBe(path);
  expect(place.hub.faults.asked).toEqual([]);
});

test("a branch is asked for, and moves", async () => {
  const path = await cachedWeights();
  expect(await hubFile(caller, file)).toBe(path);
  expect(place.hub.faults.asked.map(({ place: at }) => at)).toEqual(["head"]);
  const commit = place.hub.commit(repo, { w: bytesOf(50_000, 2) });
  expect(await hubFile(caller, file)).toBe(path.replace(/[0-9a-f]{40}/, commit));
});

const passing: [string, Fault][] = [
  ["a broken connection", refuse()],
  ["401", status(401, { "x-error-code": "RepoNotFound" })],
  ["403", status(403, { "x-error-code": "GatedRepo" })],
  ["404 of the repository", status(404, { "x-error-code": "RepoNotFound" })],
  ["429 for an hour", status(429, { ratelimit: '"resolvers";r=0;t=3600' })],
  ["503", status(503)],
  ["an answer of no hub", status(200)],
];
test.each(passing)("%s: the cache answers, at the first try", async (_, fault) => {
  const path = await cachedWeights();
  place.hub.faults.add("head", fault, 10);
  expect(await hubFile(caller, file)).toBe(path);
  expect(place.hub.faults.count("head")).toBe(1);
});

test("no answer within HF_HUB_ETAG_TIMEOUT: the cache answers", async () => {
  const path = await cachedWeights();
  process.env["HF_HUB_ETAG_TIMEOUT"] = "0.2";
  place.hub.faults.add("head", late(3000));
  const since = performance.now();
  expect(await hubFile(caller, file)).toBe(path);
  expect(performance.now() - since).toBeLessThan(2000);
});

test.each([
  ["file", "EntryNotFound"],
  ["revision", "RevisionNotFound"],
])("a missing %s is final, whatever is cached", async (_, code) => {
  await cachedWeights();
  place.hub.faults.add("head", status(404, { "x-error-code": code }));
  expect(await failure(hubFile(caller, file))).toMatchObject({ code: "NOT_FOUND" });
  expect(place.hub.faults.count("head")).toBe(1);
});

test("what is not cached is asked for again after a failure that may pass", async () => {
  place.hub.commit(repo, { w: weights });
  place.hub.faults.add("head", status(502));
  place.hub.faults.add("head", refuse());
  expect(readFileSync(await hubFile(caller, file)).equals(weights)).toBe(true);
  expect(place.hub.faults.count("head")).toBe(3);
});

test("offline: refs, then snapshots, and no request", async () => {
  const path = await cachedWeights();
  const revision = path.split("/").at(-2) as string;
  for (const name of ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]) {
    process.env[name] = "YES";
    expect(await hubFile(caller, file)).toBe(path);
    expect(await hubFile(caller, { ...file, revision })).toBe(path);
    delete process.env[name];
  }
  expect(await hubFile(caller, file, { offline: true })).toBe(path);
  process.env["HF_HUB_OFFLINE"] = "0";
  expect(await failure(hubFile(caller, { repo, path: "v" }, { offline: true }))).toMatchObject({
    code: "NOT_FOUND",
    message: `fromPretrained: expected ${repo}/v in ${place.cache} for revision "main", got none, and this call is offline: fetch it once with the network (without HF_HUB_OFFLINE, or offline: false)`,
  });
  expect(place.hub.faults.asked).toEqual([]);
});

test("a ref that holds anything but a commit is no way out of the cache", async () => {
  const path = await cachedWeights();
  const ref = join(dirname(path), "../../refs/main");
  for (const text of ["../../..", "", "x".repeat(40), "/etc"]) {
    writeFileSync(ref, text);
    const error = await failure(hubFile(caller, file, { offline: true }));
    expect(error).toMatchObject({ fields: { problem: "not-cached" } });
  }
});

test("several files are of one commit, even if the branch moves between them", async () => {
  const first = place.hub.commit(repo, { a: bytesOf(10), b: bytesOf(20), c: bytesOf(30) });
  place.hub.faults.add("head", (answer) => {
    place.hub.commit(repo, { b: bytesOf(99) });
    return answer;
  });
  const found = await hubFiles(caller, { repo, paths: ["a", "b", "c", "b"] });
  expect(found.map((path) => path.split("/").slice(-2))).toEqual(
    ["a", "b", "c", "b"].map((name) => [first, name]),
  );
  expect(readFileSync(found[1] as string).length).toBe(20);
});

test("of several files, a failure stops the rest and is the one thrown", async () => {
  const many = Object.fromEntries([...Array(8).keys()].map((i) => [`f${i}`, bytesOf(400_000, i)]));
  place.hub.commit(repo, many);
  const paths = [...Object.keys(many), "none"];
  const error = await failure(hubFiles(caller, { repo, paths }));
  expect(error).toMatchObject({ fields: { problem: "no-file", path: "none" } });
  expect(place.hub.faults.count("cdn")).toBe(0);

  place.hub.faults.add("cdn", status(500), 100);
  const broken = await failure(
    hubFiles(caller, { repo, paths: Object.keys(many) }, { parallel: 3 }),
  );
  expect(broken).toMatchObject({ code: "DOWNLOAD", fields: { problem: "server" } });
});

test("hubFileInfo: sizes and names, and nothing is written", async () => {
  const xet = { scheme: "lz4" } as const;
  const commit = place.hub.commit(repo, { w: weights }, { xet });
  const info = { repo, path: "w", commit, size: 50_000, etag: place.hub.etag(repo, "w") };
  expect(await hubFileInfo("download", file)).toEqual({ ...info, xet: true, cached: undefined });
  expect(filesBelow(place.home)).toEqual([]);
  const path = await hubFile(caller, file);
  expect(await hubFileInfo("download", file)).toEqual({ ...info, xet: true, cached: path });
  const offline = { ...info, xet: undefined, cached: path };
  expect(await hubFileInfo("download", file, { offline: true })).toEqual(offline);
});

test("cacheDir is a cache of its own; ~ in HF_HOME is the home folder", async () => {
  place.hub.commit(repo, { w: weights });
  const cacheDir = join(place.home, "own/cache");
  expect(await hubFile(caller, file, { cacheDir })).toContain(`${cacheDir}/models--google--`);
  const home = process.env["HOME"];
  process.env["HOME"] = place.home;
  process.env["HF_HOME"] = "~/hf";
  try {
    expect(await hubFile(caller, file)).toContain(`${place.home}/hf/hub/models--google--`);
    process.env["HF_HUB_CACHE"] = "~/elsewhere";
    expect(await hubFile(caller, file)).toContain(`${place.home}/elsewhere/models--google--`);
  } finally {
    process.env["HOME"] = home;
  }
});

test("a folder in the place of a file is not the file", async () => {
  const path = await cachedWeights();
  rmSync(path);
  mkdirSync(path);
  const error = await failure(hubFile(caller, file, { offline: true }));
  expect(error).toMatchObject({ fields: { problem: "not-cached" } });
});
