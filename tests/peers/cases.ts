/** The cases that Python and gemlens have to agree on. Python is the reference: its library defined the cache. */

import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hubFile, hubFiles } from "../../lib/hub/hub-file.js";
import { bytesOf } from "../hub/bytes.js";
import type { LoopbackHub } from "../hub/loopback-hub.js";
import { status } from "../hub/loopback-server.js";
import type { PythonResult } from "./python.js";

/** A hub, an empty cache that the environment names, and calls of huggingface_hub in it. */
export interface Peer {
  readonly hub: LoopbackHub;
  readonly cache: string;
  call(
    request: Readonly<Record<string, unknown>>,
    env?: Readonly<Record<string, string>>,
  ): Promise<PythonResult>;
}

const repo = "google/gemma-2-2b";
const caller = "peers";
const large = bytesOf(700_001);
const paths = ["sub/large.bin", "xet.bin", "config.json"];

/** A plain, a Xet and a small file, in one commit. */
function publish(hub: LoopbackHub): string {
  hub.commit(repo, { "sub/large.bin": large });
  hub.commit(repo, { "xet.bin": bytesOf(300_000, 2) }, { xet: { scheme: "bg4" } });
  return hub.commit(repo, { "config.json": "{}" }, { small: true });
}

/** Requests for a file's bytes, wherever they lie. */
function bytesRequests({ faults }: LoopbackHub): number {
  const small = faults.asked.filter(
    ({ place, url }) => place === "resolve" && url.pathname.includes("/resolve"),
  );
  return small.length + faults.count("cdn") + faults.count("xorb");
}

async function pythonReadsOurs({ hub, cache, call }: Peer): Promise<void> {
  const commit = publish(hub);
  const ours = await hubFiles(caller, { repo, paths });
  const before = bytesRequests(hub);
  for (const [i, path] of paths.entries()) {
    const offline = await call({ call: "download", repo, path, local_files_only: true });
    assert.deepEqual(offline, { result: ours[i] });
    assert.deepEqual(await call({ call: "download", repo, path }), { result: ours[i] });
    assert.deepEqual(await call({ call: "lookup", repo, path }), { result: ours[i] });
  }
  assert.equal(bytesRequests(hub), before);
  const folder = await call({ call: "snapshot", repo, local_files_only: true });
  assert.deepEqual(folder, { result: dirname(ours[1] as string) });
  const { result } = await call({ call: "scan" });
  assert.deepEqual(result, {
    warnings: [],
    size: large.length + 300_000 + 2,
    repos: {
      [repo]: {
        type: "model",
        refs: { main: commit },
        files: ["config.json", "large.bin", "xet.bin"].map((name) => `${commit}/${name}`),
      },
    },
  });
  assert.equal((await call({ call: "delete", commit })).error, undefined);
  assert.equal(existsSync(join(cache, "models--google--gemma-2-2b")), false);
}

async function weReadPython({ hub, call }: Peer): Promise<void> {
  publish(hub);
  const theirs: unknown[] = [];
  for (const path of paths) theirs.push((await call({ call: "download", repo, path })).result);
  const before = bytesRequests(hub);
  assert.deepEqual(await hubFiles(caller, { repo, paths }, { offline: true }), theirs);
  assert.deepEqual(await hubFiles(caller, { repo, paths }), theirs);
  assert.equal(bytesRequests(hub), before);
  assert.ok(readFileSync(theirs[0] as string).equals(large));
  assert.ok(readFileSync(theirs[1] as string).equals(bytesOf(300_000, 2)));
}

/** Python's own Xet client takes the bytes from the loopback hub: what it serves is the protocol. */
async function pythonReadsXet({ hub, call }: Peer): Promise<void> {
  for (const scheme of ["none", "lz4", "bg4"] as const) {
    const path = `${scheme}.bin`;
    hub.commit(repo, { [path]: bytesOf(250_000, 7) }, { xet: { scheme } });
    const { result, message } = await call({ call: "download", repo, path });
    assert.equal(message, undefined);
    assert.ok(readFileSync(result as string).equals(bytesOf(250_000, 7)), scheme);
  }
  assert.equal(hub.faults.count("cdn"), 0);
  assert.ok(hub.faults.count("xorb") >= 3);
}

async function withoutSymlinks({ hub, call }: Peer): Promise<void> {
  publish(hub);
  const env = { HF_HUB_DISABLE_SYMLINKS: "1" };
  process.env["HF_HUB_DISABLE_SYMLINKS"] = "1";
  try {
    const ours = await hubFile(caller, { repo, path: "xet.bin" });
    const theirs = (await call({ call: "download", repo, path: "sub/large.bin" }, env)).result;
    for (const path of [ours, theirs as string]) assert.ok(lstatSync(path).isFile());
    const before = bytesRequests(hub);
    const read = await call(
      { call: "download", repo, path: "xet.bin", local_files_only: true },
      env,
    );
    assert.deepEqual(read, { result: ours });
    assert.equal(await hubFile(caller, { repo, path: "sub/large.bin" }), theirs);
    assert.equal(bytesRequests(hub), before);
  } finally {
    delete process.env["HF_HUB_DISABLE_SYMLINKS"];
  }
}

async function missingFiles({ hub, call }: Peer): Promise<void> {
  publish(hub);
  const [ours, theirs] = ["ours.json", "sub/theirs.json"];
  await assert.rejects(hubFile(caller, { repo, path: ours }), { code: "NOT_FOUND" });
  assert.deepEqual(await call({ call: "lookup", repo, path: ours }), { result: "missing" });
  const { error } = await call({ call: "download", repo, path: theirs });
  assert.match(error ?? "", /EntryNotFoundError/);
  await assert.rejects(hubFile(caller, { repo, path: theirs }, { offline: true }), (thrown) => {
    assert.equal((thrown as { fields: { problem: string } }).fields.problem, "no-file");
    return true;
  });
}

async function branches({ hub, call }: Peer): Promise<void> {
  const path = "config.json";
  hub.commit(repo, { [path]: "1" }, { small: true }, "refs/pr/3");
  const revision = "refs/pr/3";
  const first = await hubFile(caller, { repo, path, revision });
  const same = await call({ call: "download", repo, path, revision, local_files_only: true });
  assert.deepEqual(same, { result: first });
  hub.commit(repo, { [path]: "2" }, { small: true }, revision);
  const { result: second } = await call({ call: "download", repo, path, revision });
  assert.notEqual(second, first);
  assert.equal(await hubFile(caller, { repo, path, revision }, { offline: true }), second);
}

async function partsOfEach({ hub, cache, call }: Peer): Promise<void> {
  const path = "sub/large.bin";
  publish(hub);
  const etag = hub.etag(repo, path);
  const folder = join(cache, "models--google--gemma-2-2b");
  mkdirSync(join(folder, "blobs"), { recursive: true });
  mkdirSync(join(folder, ".gemlens"));
  // As an older version of Python's library left it: it would append to this file.
  writeFileSync(join(folder, "blobs", `${etag}.incomplete`), "torn");
  const journal = { format: 1, etag, size: large.length };
  writeFileSync(join(folder, ".gemlens", `${etag}.json`), JSON.stringify(journal));
  writeFileSync(join(folder, ".gemlens", `${etag}.part`), large.subarray(0, 400_000));
  const ours = await hubFile(caller, { repo, path });
  assert.ok(readFileSync(ours).equals(large));
  const asked = hub.faults.asked.filter((one) => one.place === "cdn");
  assert.equal(asked[0]?.headers.range, "bytes=400000-700000");
  assert.deepEqual((await call({ call: "scan" })).result, {
    warnings: [],
    size: large.length,
    repos: {
      [repo]: {
        type: "model",
        refs: { main: dirname(dirname(ours)).split("/").at(-1) },
        files: [`${dirname(dirname(ours)).split("/").at(-1)}/large.bin`],
      },
    },
  });
}

async function bothAtOnce({ hub, call }: Peer): Promise<void> {
  publish(hub);
  const path = "sub/large.bin";
  for (const times of [0, 1])
    hub.faults.add("cdn", (answer) => ({ ...answer, paceMs: 20 + times }));
  const [theirs, ours] = await Promise.all([
    call({ call: "download", repo, path }),
    hubFile(caller, { repo, path }),
  ]);
  assert.deepEqual(theirs, { result: ours });
  assert.ok(readFileSync(ours).equals(large));
}

/** The exceptions of Python's library: the loopback hub refuses as the real one does. */
async function refusals({ hub, call }: Peer): Promise<void> {
  publish(hub);
  const path = "config.json";
  const refused = async (request: Record<string, unknown>, error: RegExp, problem: string) => {
    const options = { repo, path, ...request } as { repo: string; path: string };
    assert.match((await call({ call: "download", ...options })).error ?? "", error);
    await assert.rejects(hubFile(caller, options), (thrown) => {
      assert.equal((thrown as { fields: { problem: string } }).fields.problem, problem);
      return true;
    });
  };
  await refused({ repo: "google/none" }, /RepositoryNotFoundError/, "no-repository");
  await refused({ revision: "v9" }, /RevisionNotFoundError/, "no-revision");
  await refused({ path: "none" }, /EntryNotFoundError/, "no-file");
  hub.access(repo, "private");
  await refused({}, /RepositoryNotFoundError/, "no-repository");
  hub.access(repo, "gated");
  await refused({}, /GatedRepoError/, "gated");
  hub.access(repo, "public");
  hub.faults.add("head", status(429, { ratelimit: '"resolvers";r=0;t=3600' }), 2);
  await assert.rejects(hubFile(caller, { repo, path }), { message: /try again in 3600 s/ });
}

export const cases: Readonly<Record<string, (peer: Peer) => Promise<void>>> = {
  "Python reads what gemlens fetched": pythonReadsOurs,
  "gemlens reads what Python fetched": weReadPython,
  "Python's Xet client reads the loopback hub": pythonReadsXet,
  "without symlinks": withoutSymlinks,
  "files that do not exist": missingFiles,
  "branches that move": branches,
  "parts of each": partsOfEach,
  "both at once": bothAtOnce,
  refusals,
};
