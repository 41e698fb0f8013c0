import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchLibtorch } from "../../lib/native/fetch-libtorch.js";
import { withLock } from "../../lib/native/folder-lock.js";
import { httpDownload } from "../../lib/native/http-download.js";
import { libtorchCandidates } from "../../lib/native/libtorch.js";
import { findArtefacts } from "../../lib/native/load.js";
import { unpack } from "../../lib/native/unpack.js";

let folder: string;
let servers: Server[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gemlens-fetch-"));
  process.env["GEMLENS_CACHE"] = join(folder, "cache");
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

// Any real shared library will do where it is the fetching that is tested, not torch.
const library = readFileSync(join(findArtefacts(), "gemlens.node"));

const versionHeader = strToU8(
  "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 15\n#define TORCH_VERSION_PATCH 0\n",
);

/** A libtorch archive, laid out like PyTorch's. */
function archive(core: Uint8Array): Uint8Array {
  return zipSync({
    "libtorch/lib/libtorch_cpu.so": core,
    "libtorch/lib/libc10.so": library,
    "libtorch/lib/libgomp-98b21ff3.so.1": library,
    "libtorch/lib/libtorch_python.so": library,
    "libtorch/include/ATen/core/Tensor.h": strToU8("#pragma once\n"),
    "libtorch/include/torch/headeronly/version.h": versionHeader,
    "libtorch/share/cmake/Torch/TorchConfig.cmake": strToU8("# unused\n"),
  });
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Serves `bytes` with ranges; `cutAfter` breaks the first answer off. */
async function serve(bytes: Uint8Array, cutAfter?: number) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    const start = Number(request.headers.range?.match(/bytes=(\d+)-/)?.[1] ?? 0);
    if (start >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
      return;
    }
    const body = bytes.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, { "content-length": body.length });
    if (cutAfter === undefined || ranges.length > 1) response.end(body);
    else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 50));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/torch.zip`, ranges };
}

const cached = () => readdirSync(join(folder, "cache", "libtorch"));

test("keeps include/ and the CPU libraries, proves that they load, and is then found", async () => {
  const steps: string[] = [];
  const path = write("torch.zip", archive(library));
  const dir = await fetchLibtorch({ archive: path, onProgress: ({ step }) => steps.push(step) });
  expect(dir).toBe(join(folder, "cache", "libtorch", "2.15.0", "torch"));
  expect(readdirSync(join(dir, "lib")).sort()).toEqual([
    "libc10.so",
    "libgomp-98b21ff3.so.1",
    "libtorch_cpu.so",
  ]);
  expect(readFileSync(join(dir, "lib", "libtorch_cpu.so")).equals(library)).toBe(true);
  expect(existsSync(join(dir, "share"))).toBe(false);
  expect(cached()).toEqual(["2.15.0"]);
  expect(steps).toEqual(["unpacking torch.zip", "loading it once"]);
  const candidates = [...libtorchCandidates(process.env)];
  expect(candidates.at(-1)).toMatchObject({ source: "cache", version: "2.15.0", headers: true });
  // There already: nothing is done, not even to look at the archive.
  expect(await fetchLibtorch({ archive: join(folder, "gone.zip") })).toBe(dir);
});

test("what does not load does not take its place", async () => {
  const path = write("torch.zip", archive(library.subarray(0, 4096)));
  await expect(fetchLibtorch({ archive: path })).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining("what was fetched does not load"),
  });
  expect(cached()).toEqual(["2.15.0.partial"]);
});

test("an archive by URL continues where it broke off", async () => {
  const bytes = archive(library);
  const { url, ranges } = await serve(bytes, 5000);
  await expect(fetchLibtorch({ archive: url })).rejects.toMatchObject({ code: "DOWNLOAD" });
  const files = join(folder, "cache/libtorch/2.15.0.partial/files");
  const parts = readdirSync(files).map((name) => readFileSync(join(files, name)));
  expect(parts).toEqual([Buffer.from(bytes.subarray(0, 5000))]);
  await fetchLibtorch({ archive: url });
  expect(ranges).toEqual([undefined, "bytes=5000-"]);
  expect(cached()).toEqual(["2.15.0"]);
});

test("a download tells bytes, survives a finished part, and names what an index answers", async () => {
  const bytes = archive(library);
  const { url } = await serve(bytes);
  const path = join(folder, "a.zip");
  let last: [number, number | undefined] = [0, 0];
  await httpDownload(url, path, (done, total) => {
    last = [done, total];
  });
  expect(last).toEqual([bytes.length, bytes.length]);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  writeFileSync(`${path}.part`, bytes);
  await httpDownload(url, path);
  expect(existsSync(`${path}.part`)).toBe(false);

  const closed = await serve(bytes);
  servers.at(-1)?.close();
  await expect(httpDownload(closed.url, join(folder, "b.zip"))).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("two at once: one waits, then uses what the other fetched", async () => {
  const path = write("torch.zip", archive(library));
  const waited: string[] = [];
  const onProgress = ({ step }: { step: string }) => waited.push(step);
  const [a, b] = await Promise.all([
    fetchLibtorch({ archive: path, onProgress }),
    fetchLibtorch({ archive: path, onProgress }),
  ]);
  expect(a).toBe(b);
  expect(waited.filter((step) => step.startsWith("unpacking"))).toHaveLength(1);
  expect(waited.filter((step) => step.startsWith("waiting"))).toHaveLength(1);
});

test("a lock whose process has died is taken over", async () => {
  const lock = join(folder, "lock");
  const { hostname } = await import("node:os");
  writeFileSync(lock, `${hostname()} 4194304`);
  const waited: string[] = [];
  expect(
    await withLock(
      lock,
      (holder) => waited.push(holder),
      async () => 7,
    ),
  ).toBe(7);
  expect(waited).toEqual([]);
  expect(existsSync(lock)).toBe(false);
});

test("a changed byte is found, by the wheel's RECORD and by the zip's CRC", async () => {
  const text = "the library ".repeat(500);
  const digest = createHash("sha256").update(text).digest("base64url");
  const files = { "torch/a.txt": strToU8(text) };
  const keep = (name: string) => (name.startsWith("torch/") ? name : undefined);
  const wheel = (hash: string) => ({
    ...files,
    "torch-2.15.0.dist-info/RECORD": strToU8(`torch/a.txt,sha256=${hash},${text.length}\n`),
  });

  await unpack(write("good.whl", zipSync(wheel(digest))), join(folder, "good"), keep);
  expect(readFileSync(join(folder, "good/torch/a.txt"), "utf8")).toBe(text);

  const wrong = createHash("sha256").update("another").digest("base64url");
  await expect(
    unpack(write("bad.whl", zipSync(wheel(wrong))), join(folder, "bad"), keep),
  ).rejects.toMatchObject({ code: "DOWNLOAD", message: expect.stringContaining("wrong checksum") });

  const stored = zipSync(files, { level: 0 });
  stored[200] = (stored[200] as number) ^ 1;
  await expect(unpack(write("bad.zip", stored), join(folder, "crc"), keep)).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining("wrong checksum"),
  });

  const short = zipSync(files).subarray(0, 60);
  await expect(unpack(write("short.zip", short), join(folder, "s"), keep)).rejects.toMatchObject({
    code: "DOWNLOAD",
  });
});

test("a zip that names a file outside the folder is refused", async () => {
  const path = write("evil.zip", zipSync({ "torch/x": strToU8("x") }));
  await expect(unpack(path, join(folder, "in"), () => "../out")).rejects.toMatchObject({
    code: "DOWNLOAD",
  });
  expect(existsSync(join(folder, "out"))).toBe(false);
});

test("a damaged download is not kept for the next attempt, and another version is refused", async () => {
  const damaged = archive(library);
  damaged[2000] = (damaged[2000] as number) ^ 0xff;
  const { url } = await serve(damaged);
  await expect(fetchLibtorch({ archive: url })).rejects.toMatchObject({ code: "DOWNLOAD" });
  expect(readdirSync(join(folder, "cache/libtorch/2.15.0.partial/files"))).toEqual([]);

  const path = write("torch.zip", archive(library));
  await expect(fetchLibtorch({ archive: path, version: "2.14.0" })).rejects.toMatchObject({
    code: "ARGUMENT",
    message: "setup: expected torch 2.14.0, got 2.15.0: name it with --torch",
  });
});

test("a version that is none, and a file that is not there, are wrong arguments", async () => {
  await expect(fetchLibtorch({ version: "latest" })).rejects.toMatchObject({ code: "ARGUMENT" });
  await expect(fetchLibtorch({ archive: join(folder, "no.zip") })).rejects.toMatchObject({
    code: "ARGUMENT",
  });
});
