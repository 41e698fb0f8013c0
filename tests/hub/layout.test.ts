import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { hubFile, hubFiles } from "../../lib/hub/hub-file.js";
import { bytesOf } from "./bytes.js";
import { caller, failure, filesBelow, repo, useHub } from "./support.js";

const place = useHub();
const folder = "models--google--gemma-2-2b";
const weights = bytesOf(300_000);
const config = '{"model_type": "gemma2"}\n';

/** Files in the cache that Python's library knows. */
function shared(): string[] {
  return filesBelow(place.cache).filter((path) => !path.includes("/.gemlens/"));
}

test("a large and a small file lie as Python's library lays them", async () => {
  const commit = place.hub.commit(repo, { "a/model.safetensors": weights });
  const next = place.hub.commit(repo, { "config.json": config }, { small: true });
  const paths = ["a/model.safetensors", "config.json"];
  const found = await hubFiles(caller, { repo, paths });
  expect(next).not.toBe(commit);
  const snapshot = join(place.cache, folder, "snapshots", next);
  expect(found).toEqual(paths.map((path) => join(snapshot, path)));
  expect(readFileSync(found[0] as string).equals(weights)).toBe(true);
  expect(readFileSync(found[1] as string, "utf8")).toBe(config);
  const [sha256, sha1] = paths.map((path) => place.hub.etag(repo, path));
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(sha1).toMatch(/^[0-9a-f]{40}$/);
  expect(shared()).toEqual(
    [
      "CACHEDIR.TAG",
      `${folder}/blobs/${sha256}`,
      `${folder}/blobs/${sha1}`,
      `${folder}/refs/main`,
      `${folder}/snapshots/${next}/a/model.safetensors`,
      `${folder}/snapshots/${next}/config.json`,
    ].sort(),
  );
  expect(readlinkSync(found[0] as string)).toBe(`../../../blobs/${sha256}`);
  expect(readlinkSync(found[1] as string)).toBe(`../../blobs/${sha1}`);
  expect(readFileSync(join(place.cache, folder, "refs/main"), "utf8")).toBe(next);
  expect(readFileSync(join(place.cache, "CACHEDIR.TAG"), "utf8")).toMatch(
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  );
  expect(statSync(found[0] as string).mode & 0o777).toBe(0o666 & ~process.umask());
});

test("nothing of a finished download stays in .gemlens but the turn of its lock", async () => {
  place.hub.commit(repo, { w: weights });
  await hubFile(caller, { repo, path: "w" });
  const left = filesBelow(join(place.cache, folder, ".gemlens"));
  expect(left.filter((path) => !/\.lock\/\d+$/.test(path))).toEqual([]);
});

test("datasets and spaces have folders of their own; a branch may have a slash", async () => {
  const commit = place.hub.commit(repo, { "x.json": config }, { small: true }, "refs/pr/1");
  const file = { repo, path: "x.json", revision: "refs/pr/1" };
  expect(await hubFile(caller, { ...file, repoType: "dataset" })).toBe(
    join(place.cache, `datasets--google--gemma-2-2b/snapshots/${commit}/x.json`),
  );
  expect(await hubFile(caller, { ...file, repoType: "space" })).toContain("/spaces--google--");
  const ref = join(place.cache, "datasets--google--gemma-2-2b/refs/refs/pr/1");
  expect(readFileSync(ref, "utf8")).toBe(commit);
  expect(place.hub.faults.asked[0]?.url.pathname).toBe(
    "/datasets/google/gemma-2-2b/resolve/refs%2Fpr%2F1/x.json",
  );
});

test("a blob of an earlier commit is linked, not fetched again", async () => {
  place.hub.commit(repo, { w: weights });
  await hubFile(caller, { repo, path: "w" });
  const commit = place.hub.commit(repo, { "other.json": config });
  const fetched = place.hub.faults.count("cdn");
  expect(await hubFile(caller, { repo, path: "w" })).toContain(`/snapshots/${commit}/w`);
  expect(place.hub.faults.count("cdn")).toBe(fetched);
  expect(readFileSync(join(place.cache, folder, "refs/main"), "utf8")).toBe(commit);
});

test("HF_HUB_DISABLE_SYMLINKS: the file itself lies in the snapshot, and a known blob is copied", async () => {
  const first = place.hub.commit(repo, { w: weights });
  await hubFile(caller, { repo, path: "w" });
  process.env["HF_HUB_DISABLE_SYMLINKS"] = "1";
  const second = place.hub.commit(repo, { "v.bin": bytesOf(1000, 2) });
  const copied = await hubFile(caller, { repo, path: "w" });
  const moved = await hubFile(caller, { repo, path: "v.bin" });
  expect(first).not.toBe(second);
  for (const path of [copied, moved]) expect(lstatSync(path).isSymbolicLink()).toBe(false);
  expect(readFileSync(copied).equals(weights)).toBe(true);
  expect(readFileSync(moved).equals(bytesOf(1000, 2))).toBe(true);
  expect(existsSync(join(place.cache, folder, "blobs", place.hub.etag(repo, "v.bin")))).toBe(false);
});

test("a file that does not exist is remembered for calls without a network", async () => {
  const commit = place.hub.commit(repo, { w: weights });
  const missing = { repo, path: "sub/none.json" };
  await failure(hubFile(caller, missing));
  expect(shared()).toContain(`${folder}/.no_exist/${commit}/sub/none.json`);
  expect(await failure(hubFile(caller, missing, { offline: true }))).toMatchObject({
    code: "NOT_FOUND",
    fields: { problem: "no-file" },
  });
});

test("a link in the snapshot that leads nowhere is made again", async () => {
  const commit = place.hub.commit(repo, { w: weights });
  const path = await hubFile(caller, { repo, path: "w" });
  rmSync(join(place.cache, folder, "blobs", place.hub.etag(repo, "w")));
  expect(existsSync(path)).toBe(false);
  expect(await hubFile(caller, { repo, path: "w", revision: commit })).toBe(path);
  expect(readFileSync(path).equals(weights)).toBe(true);
});

test("a blob of another length is replaced", async () => {
  place.hub.commit(repo, { w: weights });
  const blob = join(place.cache, folder, "blobs", place.hub.etag(repo, "w"));
  mkdirSync(dirname(blob), { recursive: true });
  writeFileSync(blob, "torn");
  expect(readFileSync(await hubFile(caller, { repo, path: "w" })).equals(weights)).toBe(true);
});

test("a blob in the store that Python shares among repositories is used as it is", async () => {
  const commit = place.hub.commit(repo, { w: weights });
  const store = join(place.cache, "blobs/ab", "ab".repeat(32));
  mkdirSync(dirname(store), { recursive: true });
  writeFileSync(store, weights);
  const blob = join(place.cache, folder, "blobs", place.hub.etag(repo, "w"));
  mkdirSync(dirname(blob), { recursive: true });
  symlinkSync(`../../blobs/ab/${"ab".repeat(32)}`, blob);
  const path = await hubFile(caller, { repo, path: "w" });
  expect(path).toContain(commit);
  expect(readFileSync(path).equals(weights)).toBe(true);
  expect(place.hub.faults.count("cdn")).toBe(0);
});

test("a repository's folder may be a link to another disk, but a link in it may not leave it", async () => {
  const disk = join(place.home, "disk");
  mkdirSync(join(disk, "w"), { recursive: true });
  mkdirSync(place.cache);
  symlinkSync(disk, join(place.cache, folder));
  const commit = place.hub.commit(repo, { w: weights, "sub/v": weights });
  const path = await hubFile(caller, { repo, path: "w" });
  expect(readFileSync(path).equals(weights)).toBe(true);

  rmSync(path);
  const outside = join(place.home, "secret");
  writeFileSync(outside, "not a model");
  symlinkSync(outside, path);
  expect(await failure(hubFile(caller, { repo, path: "w", revision: commit }))).toMatchObject({
    code: "DOWNLOAD",
    message: `fromPretrained: expected a place in the cache for ${repo}/w, got ${path}, a link to ${outside}: remove the link`,
  });
  const elsewhere = join(place.home, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(dirname(path), "sub"));
  expect(await failure(hubFile(caller, { repo, path: "sub/v" }))).toMatchObject({
    fields: { problem: "link" },
  });
  expect(filesBelow(elsewhere)).toEqual([]);
});

test.skipIf(process.getuid?.() !== 0)(
  "a read-only cache is read, and says so if it lacks a file",
  async () => {
    place.hub.commit(repo, { w: weights, v: bytesOf(10) });
    const path = await hubFile(caller, { repo, path: "w" });
    const commit = place.hub.commit(repo, { x: bytesOf(20) }, {}, "other");
    expect(commit).toBeDefined();
    chmodSync(place.home, 0o755);
    // Not root, to whom nothing is read-only.
    (process as { seteuid(id: number): void }).seteuid(65_534);
    try {
      expect(await hubFile(caller, { repo, path: "w" }, { cacheDir: place.cache })).toBe(path);
      const error = await failure(hubFile(caller, { repo, path: "v" }, { cacheDir: place.cache }));
      expect(error).toMatchObject({
        code: "DOWNLOAD",
        message: expect.stringMatching(/^fromPretrained: expected to write to .*, got EACCES/),
      });
    } finally {
      (process as { seteuid(id: number): void }).seteuid(0);
    }
  },
);
