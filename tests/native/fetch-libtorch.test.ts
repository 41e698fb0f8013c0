import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { afterEach, beforeEach, expect, test } from "vitest";
import { libtorchCandidates } from "../../lib/native/libtorch.js";
import { findArtefacts } from "../../lib/native/load.js";
import { fetchLibtorch } from "../../lib/setup/fetch-libtorch.js";
import { newFolder } from "../support/folder.js";

let folder: string;
let servers: Server[];
beforeEach(() => {
  folder = newFolder();
  process.env["GEMLENS_CACHE"] = join(folder, "cache");
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
});

// Any shared library that loads can stand for torch here.
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

/**
 * Serves `bytes` with ranges; `cutAfter` truncates the first answer, and refuses the second
 * request.
 */
async function serve(bytes: Uint8Array, cutAfter?: number) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    if (cutAfter !== undefined && ranges.length === 2) {
      response.writeHead(403).end();
      return;
    }
    const start = Number(request.headers.range?.match(/bytes=(\d+)-/)?.[1] ?? 0);
    if (start >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
      return;
    }
    const body = bytes.subarray(start);
    const headers = { "content-length": body.length, etag: '"a"' };
    response.writeHead(start > 0 ? 206 : 200, headers);
    if (cutAfter === undefined || ranges.length > 1) {
      response.end(body);
      return;
    }
    response.write(body.subarray(0, cutAfter));
    // The connection breaks after these bytes are on disk.
    const timer = setInterval(() => {
      if (partSize() < cutAfter) return;
      clearInterval(timer);
      response.socket?.destroy();
    }, 5);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/torch.zip`, ranges };
}

const filesFolder = () => join(folder, "cache/libtorch/2.15.0.partial/files");

function partSize(): number {
  const part = readdirSync(filesFolder()).find((name) => name.endsWith(".part"));
  return part === undefined ? 0 : statSync(join(filesFolder(), part)).size;
}

const cached = () => readdirSync(join(folder, "cache", "libtorch"));

test("keeps include/ and the CPU libraries, proves that they load, and then finds them", async () => {
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
  expect(cached()).toEqual(["2.15.0", "2.15.0.locks"]);
  expect(steps).toEqual(["unpacking torch.zip", "loading it once"]);
  const candidates = [...libtorchCandidates(process.env)];
  expect(candidates.at(-1)).toMatchObject({ source: "cache", version: "2.15.0", headers: true });
  // The libtorch is there already, so fetch does not even open the archive.
  expect(await fetchLibtorch({ archive: join(folder, "gone.zip") })).toBe(dir);
});

test("does not install a libtorch that fails to load", async () => {
  const path = write("torch.zip", archive(library.subarray(0, 4096)));
  await expect(fetchLibtorch({ archive: path })).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining("the fetched libtorch does not load"),
  });
  expect(cached()).toEqual(["2.15.0.locks", "2.15.0.partial"]);
});

test("resumes a broken download of an archive by URL", async () => {
  const bytes = archive(library);
  const { url, ranges } = await serve(bytes, 5000);
  await expect(fetchLibtorch({ archive: url })).rejects.toMatchObject({ code: "DOWNLOAD" });
  const parts = readdirSync(filesFolder())
    .filter((name) => name.endsWith(".part"))
    .map((name) => readFileSync(join(filesFolder(), name)));
  expect(parts).toEqual([Buffer.from(bytes.subarray(0, 5000))]);
  await fetchLibtorch({ archive: url });
  expect(ranges).toEqual([undefined, "bytes=5000-", "bytes=5000-"]);
  expect(cached()).toEqual(["2.15.0", "2.15.0.locks"]);
});

test("removes the leftovers of a killed setup next to a complete libtorch", async () => {
  const path = write("torch.zip", archive(library));
  const dir = await fetchLibtorch({ archive: path });
  mkdirSync(filesFolder(), { recursive: true });
  writeFileSync(join(filesFolder(), "torch.whl"), "left");
  const steps: string[] = [];
  const onProgress = ({ step }: { step: string }) => steps.push(step);
  expect(await fetchLibtorch({ archive: path, onProgress })).toBe(dir);
  expect(steps).toEqual([]);
  expect(cached()).toEqual(["2.15.0", "2.15.0.locks"]);
});

test("of two at once, one waits, then uses the other's libtorch", async () => {
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

test("discards a damaged download, and refuses another version", async () => {
  const damaged = archive(library);
  damaged[2000] = (damaged[2000] as number) ^ 0xff;
  const { url } = await serve(damaged);
  await expect(fetchLibtorch({ archive: url })).rejects.toMatchObject({ code: "DOWNLOAD" });
  expect(readdirSync(filesFolder())).toEqual([]);

  const path = write("torch.zip", archive(library));
  await expect(fetchLibtorch({ archive: path, version: "2.14.0" })).rejects.toMatchObject({
    code: "ARGUMENT",
    message: "setup: expected torch 2.14.0, got 2.15.0: name it with --torch",
  });
});

test("refuses an invalid version and a missing file as arguments", async () => {
  await expect(fetchLibtorch({ version: "latest" })).rejects.toMatchObject({ code: "ARGUMENT" });
  await expect(fetchLibtorch({ archive: join(folder, "no.zip") })).rejects.toMatchObject({
    code: "ARGUMENT",
  });
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("checks an archive's sum: the right one passes, a wrong one leaves nothing on disk", async () => {
  const bytes = archive(library);
  const { url, ranges } = await serve(bytes);
  const wrong = sha256(library);
  await expect(fetchLibtorch({ archive: url, sha256: wrong })).rejects.toMatchObject({
    code: "DOWNLOAD",
    message: expect.stringContaining(`expected SHA-256 ${wrong}`),
    fields: { expected: wrong, got: sha256(bytes) },
  });
  expect(readdirSync(filesFolder())).toEqual([]);
  const path = write("torch.zip", bytes);
  await expect(fetchLibtorch({ archive: path, sha256: wrong })).rejects.toMatchObject({
    code: "DOWNLOAD",
  });
  expect(existsSync(path)).toBe(true);

  await fetchLibtorch({ archive: url, sha256: sha256(bytes).toUpperCase() });
  expect(ranges).toEqual([undefined, undefined]);
  // The cache records its archive's sum: the same sum needs no fetch, another is refused.
  await fetchLibtorch({ archive: url, sha256: sha256(bytes) });
  expect(ranges).toHaveLength(2);
  await expect(fetchLibtorch({ archive: url, sha256: wrong })).rejects.toMatchObject({
    code: "ARGUMENT",
    message: expect.stringContaining(`got a cache from ${sha256(bytes)}`),
  });
});

test("refuses an invalid sum, and a sum without an archive", async () => {
  const path = write("torch.zip", archive(library));
  await expect(fetchLibtorch({ sha256: sha256(library) })).rejects.toMatchObject({
    code: "ARGUMENT",
    message: "setup: expected --archive beside --sha256, got none: it is the archive's sum",
  });
  await expect(fetchLibtorch({ archive: path, sha256: "abc" })).rejects.toMatchObject({
    code: "ARGUMENT",
  });
});

test("fetches a damaged cache again: a changed byte, a missing file, a truncated library", async () => {
  const path = write("torch.zip", archive(library));
  const dir = await fetchLibtorch({ archive: path });
  const lib = (name: string) => join(dir, "lib", name);
  const damages: [string, () => void][] = [
    [
      "has changed",
      () => writeFileSync(join(dir, "include/ATen/core/Tensor.h"), "#pragma twice\n"),
    ],
    ["is missing", () => rmSync(lib("libc10.so"))],
    ["has changed", () => truncateSync(lib("libtorch_cpu.so"), 4096)],
    ["is missing", () => rmSync(dir, { recursive: true })],
  ];
  for (const [said, damage] of damages) {
    damage();
    const steps: string[] = [];
    const onProgress = ({ step }: { step: string }) => steps.push(step);
    expect(await fetchLibtorch({ archive: path, onProgress })).toBe(dir);
    expect(steps[0]).toMatch(new RegExp(`^the cache is damaged, .* ${said}: fetching it again$`));
    expect(readFileSync(lib("libtorch_cpu.so")).equals(library)).toBe(true);
    expect(cached()).toEqual(["2.15.0", "2.15.0.locks"]);
  }
  // If the fetch fails, the damaged cache stays.
  rmSync(lib("libc10.so"));
  await expect(fetchLibtorch({ archive: join(folder, "gone.zip") })).rejects.toMatchObject({
    code: "ARGUMENT",
  });
  expect(existsSync(lib("libtorch_cpu.so"))).toBe(true);
});
