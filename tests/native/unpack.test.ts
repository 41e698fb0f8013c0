import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { beforeEach, expect, test } from "vitest";
import { isSystemError, writeProblem } from "../../lib/fetch/disk-space.js";
import { GemlensError } from "../../lib/index.js";
import { caller } from "../../lib/setup/caller.js";
import { unpack } from "../../lib/setup/unpack.js";
import { newFolder } from "../support/folder.js";

let folder: string;
beforeEach(() => {
  folder = newFolder();
});

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("finds a changed byte by the wheel's RECORD and by the zip's CRC", async () => {
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

test("refuses a zip that names a file outside the folder", async () => {
  const path = write("evil.zip", zipSync({ "torch/x": strToU8("x") }));
  await expect(unpack(path, join(folder, "in"), () => "../out")).rejects.toMatchObject({
    code: "DOWNLOAD",
  });
  expect(existsSync(join(folder, "out"))).toBe(false);
});

test("reports a file system error as such, not as a damaged zip, and keeps the download", async () => {
  const path = write("a.zip", zipSync({ "torch/x": strToU8("x") }));
  // A file takes the place of a folder, which fails with a system error, as a full disk does.
  const into = join(folder, "into");
  writeFileSync(into, "");
  await expect(unpack(path, into, (name) => name)).rejects.toMatchObject({
    code: expect.stringMatching(/^(ENOTDIR|EEXIST)$/),
  });
  expect(isSystemError(new GemlensError("DOWNLOAD", "no"))).toBe(false);
  for (const code of ["ENOSPC", "EDQUOT", "EACCES"]) {
    const error = Object.assign(new Error(`${code}: it failed, write`), { code, syscall: "write" });
    const problem = writeProblem(caller, folder, error);
    expect(problem).toMatchObject({ code: "DOWNLOAD", fields: { folder } });
    expect(problem?.message).toContain(
      { ENOSPC: "a full disk", EDQUOT: "a quota that is used up", EACCES: "EACCES" }[code],
    );
  }
});
