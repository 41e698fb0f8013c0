import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { bytesOf } from "./bytes.js";
import { cut, refuse, status, wrongBytes } from "./loopback-server.js";
import type { XetOptions } from "./loopback-xet.js";
import { caller, failure, repo, useHub } from "./support.js";

const place = useHub();
// Not a multiple of anything: the last chunk is short, and its bytes do not divide by four.
const weights = bytesOf(500_003);
const file = { repo, path: "w" };
const count = (at: Parameters<typeof place.hub.faults.count>[0]) => place.hub.faults.count(at);

function commit(xet: XetOptions = { scheme: "lz4" }): string {
  return place.hub.commit(repo, { w: weights }, { xet });
}

async function expectWhole(): Promise<void> {
  expect(readFileSync(await hubFile(caller, file)).equals(weights)).toBe(true);
}

const options: XetOptions[] = [
  { scheme: "none" },
  { scheme: "lz4" },
  { scheme: "bg4" },
  { scheme: "bg4", chunkBytes: 9_999 },
  { scheme: "lz4", chunkBytes: 131_072 },
];
test.each(options)("a file of chunks %j, a xorb of two ranges among them", async (xet) => {
  commit(xet);
  await expectWhole();
  expect(count("cdn")).toBe(0);
  expect(count("resolve")).toBe(0);
  expect(count("xet-token")).toBe(1);
  expect(count("reconstruction")).toBe(1);
  const xorbs = place.hub.faults.asked.filter((asked) => asked.place === "xorb");
  expect(xorbs.length).toBeGreaterThan(0);
  const hasTwo = xorbs.some(({ headers }) => headers.range?.includes(","));
  expect(hasTwo).toBe(500_003 / (xet.chunkBytes ?? 16_384) > 8);
});

test("storage of the first form alone", async () => {
  commit({ scheme: "bg4" });
  place.hub.xet.hasSecondForm = false;
  await expectWhole();
  const forms = place.hub.faults.asked.filter((asked) => asked.place === "reconstruction");
  expect(forms.map(({ url }) => url.pathname.slice(0, 3))).toEqual(["/v2", "/v1"]);
  expect(count("cdn")).toBe(0);
});

test("501 for the second form is the same", async () => {
  commit();
  place.hub.faults.add("reconstruction", status(501));
  await expectWhole();
  expect(count("reconstruction")).toBe(2);
  expect(count("cdn")).toBe(0);
});

test.each([1, 20_000, 65_536, 131_073, 499_999])(
  "a part of %d bytes is resumed in the middle of chunks",
  async (n) => {
    commit({ scheme: "bg4" });
    const etag = place.hub.etag(repo, "w");
    const part = join(place.cache, "models--google--gemma-2-2b/.gemlens", `${etag}.part`);
    mkdirSync(dirname(part), { recursive: true });
    writeFileSync(part, weights.subarray(0, n));
    const journal = { format: 1, etag, size: weights.length };
    writeFileSync(part.replace(/part$/, "json"), JSON.stringify(journal));
    await expectWhole();
    const asked = place.hub.faults.asked.find((one) => one.place === "reconstruction");
    expect(asked?.headers.range).toBe(`bytes=${n}-500002`);
    expect(count("cdn")).toBe(0);
  },
);

test("a xorb that breaks off is fetched again", async () => {
  commit();
  place.hub.faults.add("xorb", cut(5_000), 2);
  await expectWhole();
});

test("links to xorbs that expire are renewed by a new reconstruction", async () => {
  commit();
  place.hub.faults.add("reconstruction", (answer) => {
    place.hub.expireLinks();
    return answer;
  });
  await expectWhole();
  expect(count("reconstruction")).toBe(2);
  expect(count("cdn")).toBe(0);
});

test("links to xorbs that stay expired are one error", async () => {
  commit();
  place.hub.faults.add("xorb", status(403), 100);
  expect(await failure(hubFile(caller, file))).toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /expected a signed link that is valid for .*, got 403 from 127.* twice/,
    ),
  });
});

test("a token that storage refuses is renewed", async () => {
  commit();
  await expectWhole();
  place.hub.xet.revokeTokens();
  place.hub.commit(repo, { v: weights.subarray(1) }, { xet: { scheme: "none" } });
  const path = await hubFile(caller, { repo, path: "v" });
  expect(readFileSync(path).equals(weights.subarray(1))).toBe(true);
});

test.each([
  ["has no token", "xet-token", 500],
  ["can't be reached", "reconstruction", 0],
  ["knows no file", "reconstruction", 404],
] as const)("Xet storage that %s: the bytes come by the plain way", async (_, at, code) => {
  commit();
  place.hub.faults.add(at, code === 0 ? refuse() : status(code), 100);
  await expectWhole();
  expect(count("cdn")).toBe(1);
});

test("xorbs that do not decode: the bytes come by the plain way", async () => {
  commit();
  place.hub.faults.add("xorb", () => ({ status: 206, body: "no chunks at all" }), 100);
  await expectWhole();
  expect(count("cdn")).toBe(1);
});

test("wrong bytes by Xet are refused and not kept", async () => {
  commit({ scheme: "none" });
  place.hub.faults.add("xorb", wrongBytes(), 100);
  const error = await failure(hubFile(caller, file));
  expect(error).toMatchObject({ code: "DOWNLOAD", fields: { problem: "damaged" } });
});

test("HF_HUB_DISABLE_XET: the plain way", async () => {
  commit();
  process.env["HF_HUB_DISABLE_XET"] = "1";
  await expectWhole();
  expect(count("xet-token") + count("reconstruction") + count("xorb")).toBe(0);
  expect(count("cdn")).toBe(1);
});

test("the tokens of one account are not used for another", async () => {
  commit();
  place.hub.access(repo, "private");
  const token = place.hub.token;
  const first = join(place.home, "first");
  await hubFile(caller, file, { token, cacheDir: first });
  place.hub.access(repo, "public");
  await hubFile(caller, file, { token: false, cacheDir: join(place.home, "second") });
  expect(count("xet-token")).toBe(2);
});

test("an abort during Xet", async () => {
  commit();
  const controller = new AbortController();
  place.hub.faults.add("xorb", (answer) => {
    setTimeout(() => controller.abort("enough"), 100);
    return { ...answer, paceMs: 100 };
  });
  expect(await failure(hubFile(caller, file, { signal: controller.signal }))).toBe("enough");
  await expectWhole();
});
