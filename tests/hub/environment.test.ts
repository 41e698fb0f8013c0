import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { hubFileInfo } from "../../lib/hub/hub-file-info.js";
import { proxyFor } from "../../lib/hub/proxy.js";
import { bytesOf } from "./bytes.js";
import { caller, failure, repo, useHub } from "./support.js";

const place = useHub();
const file = { repo, path: "w" };
const sent = () => place.hub.faults.asked.map(({ headers }) => headers.authorization);

async function sentToken(options = {}): Promise<string | undefined> {
  place.hub.faults.asked.length = 0;
  await hubFileInfo(caller, file, options);
  return sent()[0];
}

test("the token: the option, else HF_TOKEN, else the token file; false is none", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  const bearer = `Bearer ${place.hub.token}`;
  expect(await sentToken()).toBeUndefined();
  writeFileSync(join(place.home, "token"), `${place.hub.token}\n`);
  expect(await sentToken()).toBe(bearer);
  expect(await sentToken({ token: false })).toBeUndefined();
  process.env["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1";
  expect(await sentToken()).toBeUndefined();
  expect(await sentToken({ token: place.hub.token })).toBe(bearer);
  delete process.env["HF_HUB_DISABLE_IMPLICIT_TOKEN"];

  writeFileSync(join(place.home, "token"), "hf_wrong");
  process.env["HF_TOKEN"] = ` ${place.hub.token} `;
  expect(await sentToken()).toBe(bearer);
  delete process.env["HF_TOKEN"];
  process.env["HF_TOKEN_PATH"] = join(place.home, "mine");
  writeFileSync(join(place.home, "mine"), place.hub.token);
  expect(await sentToken()).toBe(bearer);
});

test.each(["hf_\nInjected: x", "hf_ü", 7, "hf_a b"])(
  "a token like %j is refused unseen",
  async (token) => {
    const error = await failure(hubFile(caller, file, { token: token as string }));
    expect(error).toMatchObject({ code: "ARGUMENT" });
    expect(JSON.stringify([error.message, error.fields])).not.toContain(`${token}`);
  },
);

test.skipIf(process.getuid?.() === 0)(
  "a token file that can't be read is an error if it was named",
  async () => {
    place.hub.commit(repo, { w: bytesOf(10) });
    const path = join(place.home, "token");
    writeFileSync(path, "hf_x");
    chmodSync(path, 0);
    expect(await sentToken()).toBeUndefined();
    process.env["HF_TOKEN_PATH"] = path;
    expect((await failure(hubFile(caller, file))).message).toContain("HF_TOKEN_PATH");
  },
);

test.each(["ftp://x", "huggingface.co", "http://user:secret@host", "https://host/?q=secret"])(
  "HF_ENDPOINT %s is refused",
  async (endpoint) => {
    process.env["HF_ENDPOINT"] = endpoint;
    const error = await failure(hubFile(caller, file));
    expect(error).toMatchObject({
      code: "ARGUMENT",
      message:
        "fromPretrained: expected an http or https URL without a user for HF_ENDPOINT, got another value",
    });
  },
);

test("a slash at the end of HF_ENDPOINT is no part of it", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  process.env["HF_ENDPOINT"] = `${place.hub.endpoint}//`;
  await hubFile(caller, file);
  expect(place.hub.faults.asked[0]?.url.pathname).toBe(`/${repo}/resolve/main/w`);
});

test("a time limit that is no number is refused", async () => {
  process.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "soon";
  expect(await failure(hubFile(caller, file))).toMatchObject({
    message: 'fromPretrained: expected a number of seconds for HF_HUB_DOWNLOAD_TIMEOUT, got "soon"',
  });
});

let proxy: Server | undefined;
afterEach(() => {
  proxy?.closeAllConnections();
  proxy?.close();
  proxy = undefined;
});

/** A proxy that tunnels for one user; returns where it is and what it tunnelled to. */
async function startProxy(credentials: string) {
  const tunnels: string[] = [];
  const wanted = `Basic ${Buffer.from(credentials).toString("base64")}`;
  proxy = createServer();
  proxy.on("connect", (request, socket) => {
    if (request.headers["proxy-authorization"] !== wanted) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    tunnels.push(request.url ?? "");
    const [host, port] = (request.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on("error", () => end.destroy());
  });
  await new Promise<void>((resolve) => proxy?.listen(0, "127.0.0.1", resolve));
  return { port: (proxy.address() as AddressInfo).port, tunnels };
}

test("HTTP_PROXY: every request goes through it, those to storage too", async () => {
  place.hub.commit(repo, { w: bytesOf(10_000) }, { xet: { scheme: "lz4" } });
  const { port, tunnels } = await startProxy("me:secret");
  process.env["HTTP_PROXY"] = `http://me:secret@127.0.0.1:${port}`;
  await hubFile(caller, file);
  const hosts = [place.hub.endpoint, place.hub.xet.origin].map((origin) => origin.slice(7));
  expect(new Set(tunnels)).toEqual(new Set(hosts));

  tunnels.length = 0;
  process.env["NO_PROXY"] = "example.com,127.0.0.1,127.0.0.2";
  place.hub.commit(repo, { w: bytesOf(10_001) });
  await hubFile(caller, file);
  expect(tunnels).toEqual([]);
});

test("a proxy that wants another password is named, the password is not", async () => {
  place.hub.commit(repo, { w: bytesOf(10) });
  const { port } = await startProxy("me:other");
  process.env["http_proxy"] = `me:s3cr3t-word@127.0.0.1:${port}`;
  const error = await failure(hubFile(caller, file));
  expect(error.message).toMatch(
    /expected to reach 127\.0\.0\.1:\d+ for .*, got 407 from the proxy: check the proxy that HTTP_PROXY names, and the user and password/,
  );
  expect(JSON.stringify([error.message, error.fields])).not.toContain("s3cr3t");
});

test("which URLs go through which proxy", () => {
  const env = { HTTPS_PROXY: "http://a:1", http_proxy: "b:2", NO_PROXY: "" };
  const through = (url: string, noProxy = "") =>
    proxyFor(caller, new URL(url), { ...env, NO_PROXY: noProxy });
  expect(through("https://huggingface.co/x")).toBe("http://a:1");
  expect(through("http://huggingface.co/x")).toBe("http://b:2");
  for (const list of [
    "*",
    "huggingface.co",
    ".huggingface.co",
    "a, co",
    "HuggingFace.co:443",
    "*.co",
  ]) {
    expect(through("https://huggingface.co/x", list)).toBeUndefined();
  }
  for (const list of ["face.co", "huggingface.co:80", "cdn.huggingface.co", "", ","]) {
    expect(through("https://huggingface.co/x", list)).toBe("http://a:1");
  }
  expect(through("https://[::1]:8443/", "[::1]:8443")).toBeUndefined();
  expect(through("https://[::1]:8443/", "[::1]")).toBeUndefined();
  expect(proxyFor(caller, new URL("https://x"), {})).toBeUndefined();
  const bad = { HTTPS_PROXY: "socks5://me:word@host" };
  expect(() => proxyFor(caller, new URL("https://x"), bad)).toThrow(
    "fromPretrained: expected an http or https URL for HTTPS_PROXY, got another value",
  );
});
