import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { hubFile } from "../../lib/hub/hub-file.js";
import { bytesOf } from "./bytes.js";
import { cut } from "./loopback-server.js";
import { caller, filesBelow, repo, useHub } from "./support.js";

// A file system like exFAT, or a network share: no symlink can be made.
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const symlinkSync = (_target: string, dest: string) => {
    const error = new Error("EPERM: operation not permitted, symlink");
    throw Object.assign(error, { code: "EPERM", syscall: "symlink", dest });
  };
  return { ...fs, symlinkSync };
});

const place = useHub();
const weights = bytesOf(2_000_000);

test("without symlinks there is no lock, and the file itself lies in the snapshot", async () => {
  const first = place.hub.commit(repo, { w: weights });
  place.hub.faults.add("cdn", cut(1_500_000));
  const both = [1, 2].map(() => hubFile(caller, { repo, path: "w" }));
  const [path, same] = await Promise.all(both);
  expect(same).toBe(path);
  expect(path).toContain(`/snapshots/${first}/w`);
  expect(lstatSync(path as string).isFile()).toBe(true);
  expect(readFileSync(path as string).equals(weights)).toBe(true);
  const folder = join(place.cache, "models--google--gemma-2-2b");
  expect(readdirSync(join(folder, "blobs"))).toEqual([]);
  expect(filesBelow(join(folder, ".gemlens"))).toEqual([]);
});
