import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { openRemote } from "../../lib/hub/remote-file.js";
import { bytesOf } from "./bytes.js";
import { LoopbackHub } from "./loopback-hub.js";
import { type Fault, header } from "./loopback-server.js";
import { caller, failure, repo, useHub } from "./support.js";

const place = useHub();
const file = { repo, path: "w" };
const fixture = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", name));
const tls = { key: fixture("loopback.key.pem"), cert: fixture("loopback.crt.pem") };

let secure: LoopbackHub;
const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
beforeEach(async () => {
  // The loopback hub's certificate is its own.
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  secure = await LoopbackHub.start(tls);
  process.env["HF_ENDPOINT"] = secure.endpoint;
  secure.commit(repo, { w: bytesOf(100_000) }, { xet: { scheme: "lz4" } });
});
afterEach(async () => {
  await secure.close();
  if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
});

test("a hub on https: plain, Xet and Range", async () => {
  expect(readFileSync(await hubFile(caller, file)).equals(bytesOf(100_000))).toBe(true);
  process.env["HF_HUB_DISABLE_XET"] = "1";
  const cacheDir = join(place.home, "other");
  expect(readFileSync(await hubFile(caller, file, { cacheDir })).length).toBe(100_000);
  await using remote = await openRemote(caller, file, { cacheDir: join(place.home, "third") });
  expect(remote.local).toBeUndefined();
  expect((await remote.read(5, 7)).length).toBe(7);
});

test("a certificate that is not trusted is no hub", async () => {
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  expect(await failure(hubFile(caller, file))).toMatchObject({
    code: "DOWNLOAD",
    fields: { problem: "unreachable", reason: "DEPTH_ZERO_SELF_SIGNED_CERT" },
  });
});

/** Where the plain hub, which speaks http, would have got a request. */
const downgrades: [
  string,
  Parameters<LoopbackHub["faults"]["add"]>[0],
  (plain: string) => Fault,
][] = [
  [
    "HEAD to another http hub",
    "head",
    (plain) => () => ({ status: 307, headers: { location: `${plain}/x` } }),
  ],
  ["the file's link", "resolve", (plain) => header("location", `${plain}/x?Signature=s`)],
  [
    "a link of storage",
    "cdn",
    (plain) => () => ({ status: 302, headers: { location: `${plain}/x` } }),
  ],
];
test.each(downgrades)("https never leads to http: %s", async (_, at, fault) => {
  process.env["HF_HUB_DISABLE_XET"] = "1";
  secure.faults.add(at, fault(place.hub.endpoint), 100);
  const host = place.hub.endpoint.slice("http://".length);
  expect(await failure(hubFile(caller, file, { token: secure.token }))).toMatchObject({
    code: "DOWNLOAD",
    message: `fromPretrained: expected https for ${repo}/w, got a link to http://${host}: check HF_ENDPOINT and the network: nothing was sent there`,
    fields: { problem: "insecure" },
  });
  expect(place.hub.faults.asked).toEqual([]);
});

test("Xet storage on http is not asked either", async () => {
  secure.faults.add(
    "head",
    (answer) => ({
      ...answer,
      headers: {
        ...answer.headers,
        link: `<${secure.endpoint}/api/models/${repo}/xet-read-token/main>; rel="xet-auth", <${place.hub.xet.origin}/v1/reconstructions/${"a".repeat(64)}>; rel="xet-reconstruction-info"`,
      },
    }),
    100,
  );
  expect(await failure(hubFile(caller, file))).toMatchObject({ fields: { problem: "insecure" } });
  expect(place.hub.faults.asked).toEqual([]);
});
