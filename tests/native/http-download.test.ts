import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { httpDownload } from "../../lib/fetch/http-download.js";
import { caller } from "../../lib/setup/caller.js";
import { newFolder } from "../support/folder.js";

let folder: string;
let path: string;
let server: Server;
beforeEach(() => {
  folder = newFolder();
  path = join(folder, "file.zip");
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose nth answer is the nth of `answers`; the last one repeats. */
async function serve(...answers: Answer[]) {
  const asked: { range: string | undefined; ifRange: string | undefined }[] = [];
  server = createServer((request, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    const { range } = request.headers;
    asked.push({ range, ifRange: request.headers["if-range"] as string | undefined });
    answer?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.zip`, asked };
}

/**
 * The rest of `bytes` from the start of the range. With `bytesSent` it sends at most this many, and
 * breaks the connection once the partial file has the last of them.
 */
function ranged(bytes: Uint8Array, etag: string, bytesSent = Number.POSITIVE_INFINITY): Answer {
  return (request, response) => {
    const ifRange = request.headers["if-range"];
    const asked = Number(request.headers.range?.match(/bytes=(\d+)-/)?.[1] ?? 0);
    const start = ifRange === undefined || ifRange === etag ? asked : 0;
    if (start >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
      return;
    }
    const body = bytes.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, { "content-length": body.length, etag });
    if (bytesSent >= body.length) {
      response.end(body);
      return;
    }
    response.flushHeaders();
    if (bytesSent > 0) response.write(body.subarray(0, bytesSent));
    void breakOff(response, start + bytesSent);
  };
}

async function breakOff(response: ServerResponse, onDisk: number) {
  while (onDisk > 0 && !(existsSync(`${path}.part`) && statSync(`${path}.part`).size >= onDisk)) {
    await sleep(5);
  }
  // The headers must be sent first.
  await sleep(5);
  response.socket?.destroy();
}

const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);

test("resumes a connection that breaks again and again", async () => {
  const { url, asked } = await serve(
    ranged(bytes, '"a"', 50_000),
    ranged(bytes, '"a"', 100_000),
    ranged(bytes, '"a"'),
  );
  let last: [number, number | undefined] = [0, 0];
  await httpDownload(caller, url, path, (done, total) => {
    last = [done, total];
  });
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(asked).toEqual([
    { range: undefined, ifRange: undefined },
    { range: "bytes=50000-", ifRange: '"a"' },
    { range: "bytes=150000-", ifRange: '"a"' },
  ]);
  expect(last).toEqual([bytes.length, bytes.length]);
  expect(readdirSync(folder)).toEqual(["file.zip"]);
});

test("fails if the server sends nothing more, and keeps the partial file for the next attempt", async () => {
  const { url, asked } = await serve(ranged(bytes, '"a"', 50_000), ranged(bytes, '"a"', 0));
  await expect(httpDownload(caller, url, path)).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining("running it again continues"),
    fields: { url },
  });
  expect(asked).toHaveLength(4);
  expect(readFileSync(`${path}.part`).equals(bytes.subarray(0, 50_000))).toBe(true);
  expect(existsSync(path)).toBe(false);
});

test("retries after a server error", async () => {
  const { url, asked } = await serve(
    ranged(bytes, '"a"', 50_000),
    (_request, response) => response.writeHead(502).end(),
    (request) => request.socket.destroy(),
    ranged(bytes, '"a"'),
  );
  await httpDownload(caller, url, path);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(asked.map(({ range }) => range)).toEqual([undefined, ...Array(3).fill("bytes=50000-")]);
});

test("does not resume a partial file of another version", async () => {
  const newer = bytes.map((byte) => byte ^ 255);
  writeFileSync(`${path}.part`, bytes.subarray(0, 60_000));
  writeFileSync(`${path}.part.tag`, '"a"');
  const { url, asked } = await serve(ranged(newer, '"b"'));
  await httpDownload(caller, url, path);
  expect(asked).toEqual([{ range: "bytes=60000-", ifRange: '"a"' }]);
  expect(readFileSync(path).equals(newer)).toBe(true);
});

test("accepts a complete partial file, and fetches one that is too long again", async () => {
  const { url } = await serve(ranged(bytes, '"a"'));
  writeFileSync(`${path}.part`, bytes);
  writeFileSync(`${path}.part.tag`, '"a"');
  await httpDownload(caller, url, path);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  writeFileSync(`${path}.part`, new Uint8Array(bytes.length + 5));
  writeFileSync(`${path}.part.tag`, '"a"');
  await httpDownload(caller, url, path);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(readdirSync(folder)).toEqual(["file.zip"]);
});

test("refuses a file that cannot fit before its bytes arrive", async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(200, { "content-length": 1e16 }).flushHeaders();
  });
  await expect(httpDownload(caller, url, path)).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringMatching(
      /expected 10000000\.00 GB free in .*, got .* GB: make room, or set GEMLENS_CACHE/,
    ),
  });
});

test("names the server's answer", async () => {
  const { url } = await serve((_request, response) => response.writeHead(404).end());
  await expect(httpDownload(caller, url, path)).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: `setup: ${url} answered 404`,
  });
});

test("names the address, the reason, and the proxy remedy if nobody answers", async () => {
  const { url } = await serve();
  await new Promise((resolve) => server.close(resolve));
  const hint = async (env: Record<string, string>) => {
    const names = ["HTTP_PROXY", "http_proxy", "NODE_USE_ENV_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    Object.assign(process.env, env);
    try {
      return await httpDownload(caller, url, path).then(String, (error) => String(error.message));
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  };
  expect(await hint({})).toBe(
    `setup: ${url} cannot be fetched (ECONNREFUSED): check the network; behind a proxy set HTTP_PROXY; running it again continues`,
  );
  const proxy = { HTTP_PROXY: "http://127.0.0.1:9" };
  expect(await hint(proxy)).toContain("HTTP_PROXY is set, which Node's fetch ignores");
  expect(await hint({ ...proxy, NODE_USE_ENV_PROXY: "1" })).toContain(
    "check the proxy that HTTP_PROXY names, and the user and password",
  );
});

test("names another caller, with that caller's remedies", async () => {
  const other = { name: "download", moreRoom: "set HF_HOME to a larger disk" };
  const { url } = await serve(
    (_request, response) => response.writeHead(404).end(),
    (_request, response) => response.writeHead(200, { "content-length": 1e16 }).flushHeaders(),
  );
  await expect(httpDownload(other, url, path)).rejects.toMatchObject({
    message: `download: ${url} answered 404`,
  });
  await expect(httpDownload(other, url, path)).rejects.toMatchObject({
    message: expect.stringMatching(/^download: expected .*: make room, or set HF_HOME to a larger/),
  });
  const { HTTP_PROXY, NODE_USE_ENV_PROXY } = process.env;
  delete process.env["NODE_USE_ENV_PROXY"];
  process.env["HTTP_PROXY"] = "http://127.0.0.1:9";
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  try {
    await expect(httpDownload(other, url, path)).rejects.toMatchObject({
      message: expect.stringContaining("Node's fetch ignores: run with NODE_USE_ENV_PROXY=1"),
    });
  } finally {
    for (const [name, value] of Object.entries({ HTTP_PROXY, NODE_USE_ENV_PROXY })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});
