import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { GemlensError } from "../../lib/errors/gemlens-error.js";
import { hubFile, hubFiles } from "../../lib/hub/hub-file.js";
import { bytesOf } from "./bytes.js";
import { header, status } from "./loopback-server.js";
import { caller, failure, filesBelow, repo, useHub } from "./support.js";

const place = useHub();
const file = { repo, path: "w" };
const names = { repo, repoType: "model", revision: "main", path: "w" };

async function problem(options = {}, wanted: Parameters<typeof hubFile>[1] = file) {
  const error = await failure(hubFile(caller, wanted, options));
  expect(GemlensError.is(error)).toBe(true);
  const { code, message, fields } = error as GemlensError;
  return { code, message, fields };
}

test("gated: accept the licence, with or without a token", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  place.hub.access(repo, "gated");
  const page = `${place.hub.endpoint}/${repo}`;
  const host = place.hub.endpoint.slice("http://".length);
  expect(await problem()).toEqual({
    code: "DOWNLOAD",
    message: `fromPretrained: expected access to ${repo}, which is gated, for ${repo}/w, got 401: accept its licence at ${page} and set HF_TOKEN to a token of that account`,
    fields: { ...names, problem: "gated", status: 401, host },
  });
  place.hub.faults.add("head", status(403, { "x-error-code": "GatedRepo" }));
  const { message } = await problem({ token: place.hub.token });
  expect(message).toContain(
    `got 403: accept its licence at ${page} with the account of the token in use`,
  );
  expect(existsSync(await hubFile(caller, file, { token: place.hub.token }))).toBe(true);
});

test("a token that the hub does not know", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  expect(await problem({ token: "hf_wrong" })).toMatchObject({
    code: "DOWNLOAD",
    message: `fromPretrained: expected a valid token for ${repo}/w, got 401, the hub does not know this one: make one at ${place.hub.endpoint}/settings/tokens and set HF_TOKEN to it`,
    fields: { problem: "unauthorised" },
  });
});

test("a repository that does not exist, or is private", async () => {
  expect(await problem()).toMatchObject({
    code: "NOT_FOUND",
    message: `fromPretrained: expected a model on ${place.hub.endpoint} for "${repo}", got none (401): check the name; for a private one set HF_TOKEN to a token that may read it`,
    fields: { problem: "no-repository" },
  });
  expect((await problem({ token: place.hub.token })).message).toContain(
    "got none (404): check the name; for a private one use a token that may read it",
  );
});

test("a revision that does not exist", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  expect(await problem({}, { ...file, revision: "v9" })).toMatchObject({
    code: "NOT_FOUND",
    message: `fromPretrained: expected a branch, tag or commit of ${repo} for revision "v9", got none: see ${place.hub.endpoint}/${repo}/commits/main`,
    fields: { problem: "no-revision", revision: "v9" },
  });
});

test("a file that does not exist", async () => {
  const commit = place.hub.commit(repo, { w: bytesOf(10) });
  expect(await problem({}, { repo, path: "x.npz" })).toMatchObject({
    code: "NOT_FOUND",
    message: `fromPretrained: expected a file of ${repo} (revision main) for "x.npz", got none: see ${place.hub.endpoint}/${repo}/tree/main`,
    fields: { problem: "no-file", commit },
  });
});

test("read access that is refused", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  place.hub.faults.add("head", status(403));
  expect(await problem()).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /^fromPretrained: expected read access for .*\/w, got 403 from 127/,
    ),
    fields: { problem: "forbidden" },
  });
});

test("a rate limit of a second is waited out; one of an hour is refused with its seconds", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  place.hub.faults.add("head", status(429, { ratelimit: '"resolvers";r=0;t=1' }));
  const since = performance.now();
  await hubFile(caller, file);
  expect(performance.now() - since).toBeGreaterThanOrEqual(990);

  place.hub.faults.add("head", status(429, { ratelimit: '"resolvers";r=0;t=61' }));
  expect(await problem({}, { repo, path: "v" })).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /^fromPretrained: expected an answer of 127\.0\.0\.1:\d+ for google\/gemma-2-2b\/v, got 429, the rate limit for another 61 s: try again in 61 s, or set HF_TOKEN: its limit is higher$/,
    ),
    fields: { problem: "rate-limit", seconds: 61 },
  });
  expect(place.hub.faults.count("head")).toBe(3);
});

test("Retry-After counts if RateLimit is not what ran out", async () => {
  const headers = { ratelimit: '"resolvers";r=12;t=3600', "retry-after": "90" };
  place.hub.faults.add("head", status(429, headers));
  expect((await problem({ token: place.hub.token })).message).toMatch(
    /got 429, the rate limit for another 90 s: try again in 90 s$/,
  );
});

test("a server that goes on failing", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  place.hub.faults.add("head", status(503), 100);
  expect(await problem()).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /expected an answer of 127.* for .*\/w, got 503: try again later$/,
    ),
    fields: { problem: "server", status: 503 },
  });
  expect(place.hub.faults.count("head")).toBe(5);
});

test("nobody there", async () => {
  const host = place.hub.endpoint.slice("http://".length);
  await place.hub.close();
  expect(await problem()).toMatchObject({
    code: "DOWNLOAD",
    message: `fromPretrained: expected to reach ${host} for ${repo}/w, got ECONNREFUSED: check the network; behind a proxy set HTTP_PROXY`,
    fields: { problem: "unreachable", reason: "ECONNREFUSED" },
  });
});

test("no room for the files of a call: nothing is fetched", async () => {
  place.hub.commit(repo, { v: bytesOf(10), w: bytesOf(20) });
  place.hub.faults.add("head", header("x-linked-size", "8000000000000000"), 2);
  const error = await failure(hubFiles(caller, { repo, paths: ["v", "w"] }));
  expect(error).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /^fromPretrained: expected 16000000\.00 GB free in .*models--google--gemma-2-2b, got .* GB: make room, or set HF_HOME to a larger disk; running it again continues$/,
    ),
  });
  expect(place.hub.faults.count("cdn")).toBe(0);
});

test.each([
  ["../../etc/passwd", "etag"],
  ["", "etag"],
  ["a".repeat(41), "etag"],
  [`${"a".repeat(39)}G`, "etag"],
])("an ETag of %j names no file", async (etag) => {
  place.hub.commit(repo, { w: bytesOf(10) });
  place.hub.faults.add("head", header("x-linked-etag", `"${etag}"`));
  const { code, message, fields } = await problem();
  expect({ code, problem: fields["problem"] }).toEqual({ code: "DOWNLOAD", problem: "not-a-hub" });
  expect(message).toMatch(
    /expected 40 or 64 hex digits for ETag of an answer for .*\/w, got .*: check/,
  );
  expect(filesBelow(place.home)).toEqual([]);
});

test.each(["", "main", "../x", "A".repeat(40)])(
  "a commit of %j names no folder",
  async (commit) => {
    place.hub.commit(repo, { w: bytesOf(10) });
    place.hub.faults.add("head", header("x-repo-commit", commit));
    expect((await problem()).fields["problem"]).toBe("not-a-hub");
    expect(filesBelow(place.home)).toEqual([]);
  },
);

const bad: [string, Record<string, unknown>][] = [
  ["repo", { repo: "../google/x" }],
  ["repo", { repo: "google/.." }],
  ["repo", { repo: "google/a--b" }],
  ["repo", { repo: "a/b/c" }],
  ["repo", { repo: "google/x.git" }],
  ["repo", { repo: "google\\x" }],
  ["repo", { repo: "google/x\0" }],
  ["repo", { repo: "https://evil.example/x" }],
  ["repo", { repo: "" }],
  ["repo", { repo: undefined }],
  ["repoType", { repoType: "../model" }],
  ["revision", { revision: "../main" }],
  ["revision", { revision: "/main" }],
  ["revision", { revision: "a..b" }],
  ["revision", { revision: "a\\b" }],
  ["revision", { revision: "a\nb" }],
  ["revision", { revision: "refs//main" }],
  ["revision", { revision: "" }],
  ["path", { path: "../x" }],
  ["path", { path: "a/../../x" }],
  ["path", { path: "/etc/passwd" }],
  ["path", { path: "a//b" }],
  ["path", { path: "./a" }],
  ["path", { path: "a\\..\\b" }],
  ["path", { path: "a\0b" }],
  ["path", { path: "a\u001b[2J" }],
  ["path", { path: "" }],
  ["path", { path: "x".repeat(256) }],
  ["path", { path: 7 }],
];
test.each(bad)("a %s of %j is refused before any request", async (option, value) => {
  const wanted = { ...file, ...value } as typeof file;
  const { code, message } = await problem({}, wanted);
  expect(code).toBe("ARGUMENT");
  expect(message).toMatch(
    new RegExp(`^fromPretrained: expected .* for ${option}, got [^\\0-\\x1f]*$`),
  );
  expect(place.hub.faults.asked).toEqual([]);
});

test("names that only look odd are fine", async () => {
  const path = "layer 3/weird%2e%2e#?&name=ü.npz";
  const commit = place.hub.commit(repo, { [path]: bytesOf(10) }, {}, "v1.0+x_y-z");
  const found = await hubFile(caller, { repo, path, revision: "v1.0+x_y-z" });
  expect(found).toBe(join(place.cache, "models--google--gemma-2-2b/snapshots", commit, path));
});
