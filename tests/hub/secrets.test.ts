import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { openSession } from "../../lib/hub/hub-session.js";
import { openRemote } from "../../lib/hub/remote-file.js";
import { bytesOf } from "./bytes.js";
import {
  cut,
  type Fault,
  header,
  type Place,
  refuse,
  status,
  wrongBytes,
} from "./loopback-server.js";
import { caller, failure, filesBelow, repo, useHub } from "./support.js";

const place = useHub();
const file = { repo, path: "w" };
const weights = bytesOf(200_000);

let printed = "";
beforeEach(() => {
  printed = "";
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((text) => {
      printed += text;
      return true;
    });
  }
  for (const name of ["log", "debug", "info", "warn", "error"] as const) {
    vi.spyOn(console, name).mockImplementation((...args) => {
      printed += inspect(args, { depth: 9 });
    });
  }
  process.env["HF_TOKEN"] = place.hub.token;
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Everything that anyone could read of an error. */
function visible(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined; at = (at as Error).cause) {
    const { message, stack, fields } = at as Error & { fields?: unknown };
    parts.push(String(at), message, stack ?? "", JSON.stringify(at), JSON.stringify(fields ?? {}));
  }
  return [...parts, inspect(error, { depth: 99, showHidden: true, maxStringLength: null })].join(
    "\n",
  );
}

function expectNoSecret(text: string): void {
  const { secrets } = place.hub;
  expect(secrets.length).toBeGreaterThan(0);
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/Signature=|X-Xet-Signed|Expires=|Bearer /i);
}

function expectCleanPlace(): void {
  expectNoSecret(printed);
  for (const path of filesBelow(place.home)) {
    const full = join(place.home, path);
    // A lock's turn is a link that leads nowhere.
    const isLink = lstatSync(full).isSymbolicLink() && !existsSync(full);
    expectNoSecret(`${path}\n${isLink ? readlinkSync(full) : readFileSync(full, "latin1")}`);
  }
}

const cases: [Place, string, Fault][] = [
  ["head", "401", status(401, { "x-error-message": "Invalid credentials" })],
  ["head", "403", status(403, { "x-error-code": "GatedRepo" })],
  ["head", "418", status(418)],
  ["head", "503", status(503)],
  ["head", "no answer", refuse()],
  ["head", "an odd ETag", header("x-linked-etag", '"no"')],
  ["head", "a link with a user", status(302, { location: "http://u:Signature=1@127.0.0.1/" })],
  ["resolve", "403", status(403)],
  ["resolve", "no answer", refuse()],
  ["cdn", "403", status(403)],
  ["cdn", "404", status(404)],
  ["cdn", "500", status(500)],
  ["cdn", "no answer", refuse()],
  ["cdn", "a cut", cut(0)],
  ["cdn", "no Range", status(200)],
  ["cdn", "wrong bytes", wrongBytes()],
  ["xet-token", "403", status(403)],
  ["xet-token", "no JSON", status(200)],
  ["reconstruction", "401", status(401)],
  ["reconstruction", "403", status(403)],
  ["reconstruction", "no JSON", status(200)],
  ["xorb", "403", status(403)],
  ["xorb", "500", status(500)],
  ["xorb", "no answer", refuse()],
  ["xorb", "no chunks", status(206)],
  ["xorb", "wrong bytes", wrongBytes()],
];
test.each(cases)("%s, %s: neither error, output nor file has a secret", async (at, _, fault) => {
  const isXet = ["xet-token", "reconstruction", "xorb"].includes(at);
  const xet = { scheme: "none" } as const;
  place.hub.commit(repo, { w: weights }, isXet ? { xet } : {});
  place.hub.faults.add(at, fault, 1000);
  // Not by the plain way either.
  if (isXet) place.hub.faults.add("cdn", status(500), 1000);
  const error = await failure(hubFile(caller, file));
  expect(error).toMatchObject({ name: "GemlensError" });
  expectNoSecret(visible(error));
  expectCleanPlace();
});

test("reads by Range: neither", async () => {
  place.hub.commit(repo, { w: weights });
  const remote = await openRemote(caller, file);
  await remote.read(0, 10);
  for (const fault of [status(403), status(500), refuse(), cut(0), status(200)]) {
    place.hub.faults.clear();
    place.hub.faults.add("cdn", fault, 1000);
    expectNoSecret(visible(await failure(remote.read(100_000, 10))));
  }
  expectNoSecret(inspect(remote, { depth: 99, showHidden: true }));
  expectCleanPlace();
});

test("a part that stays after a cut, its journal, and what succeeds: none has a secret", async () => {
  place.hub.commit(repo, { w: weights }, { xet: { scheme: "none" } });
  const controller = new AbortController();
  place.hub.faults.add("xorb", (answer) => {
    setTimeout(() => controller.abort(new Error("mine")), 100);
    return { ...answer, paceMs: 50 };
  });
  expectNoSecret(visible(await failure(hubFile(caller, file, { signal: controller.signal }))));
  const left = filesBelow(place.home).filter((path) => /\.(?:part|json)$/.test(path));
  expect(left).toHaveLength(2);
  expectCleanPlace();
  await hubFile(caller, file);
  expectCleanPlace();
});

test("a session that is printed shows no token", () => {
  const session = openSession(caller, {});
  expect(session.token).toBe(place.hub.token);
  expect(JSON.stringify(session)).not.toContain(place.hub.token);
  expect(inspect(session, { depth: 9 })).not.toContain(place.hub.token);
});

test("the token goes to the hub alone, Xet's to its storage alone", async () => {
  place.hub.commit(repo, { w: weights }, { xet: { scheme: "bg4" } });
  place.hub.commit(repo, { v: bytesOf(30_000, 2) });
  place.hub.commit(repo, { u: "small" }, { small: true });
  for (const path of ["w", "v", "u"]) await hubFile(caller, { repo, path });
  const { endpoint, xet, faults, token } = place.hub;
  const hosts = (includes: string) =>
    new Set(
      faults.asked
        .filter(({ headers }) => headers.authorization?.includes(includes))
        .map(({ url }) => url.origin),
    );
  expect(hosts(token)).toEqual(new Set([endpoint]));
  expect(hosts("xet_")).toEqual(new Set([xet.origin]));
  expect(faults.count("cdn")).toBe(1);
  expect(faults.count("xorb")).toBeGreaterThan(0);
});

test("a hub that sends the request on, for its commit as well, gets the token alone", async () => {
  const { endpoint, cdn, faults, token } = place.hub;
  place.hub.commit(repo, { w: weights });
  faults.add("head", status(308, { location: `${cdn}/mirror` }), 100);
  await failure(hubFile(caller, file));
  const mirrored = faults.asked.filter(({ url }) => url.origin === cdn);
  expect(mirrored.map(({ url, headers }) => [url.pathname, headers.authorization])).toEqual(
    Array(mirrored.length).fill(["/mirror", undefined]),
  );
  expect(mirrored.length).toBeGreaterThan(0);
  expect(faults.asked.find(({ url }) => url.origin === endpoint)?.headers.authorization).toBe(
    `Bearer ${token}`,
  );
});
