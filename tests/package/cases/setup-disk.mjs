// Runs `gemlens setup` on disks that are too small, each with its own file system.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ended, isTrue, said } from "../expect.mjs";
import { serve } from "../server.mjs";
import { failed, setupIn, works } from "./setup.mjs";

function mount(options, folder) {
  return spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status === 0;
}

/** Runs `body` with a file system in memory mounted as the cache folder. */
async function onDisk(context, name, options, body) {
  const sandbox = await context.installed();
  const folder = sandbox.at(`disk-${name}`);
  mkdirSync(folder);
  if (!mount(options, folder)) return { skipped: "no right to mount a file system" };
  try {
    const remount = (more) => isTrue(mount(`remount,${more}`, folder), `remount ${more}`);
    return await body(await setupIn(context, name, folder), { folder, remount });
  } finally {
    spawnSync("umount", ["--lazy", folder]);
  }
}

/** Takes all free space; returns a function that frees it. */
function fill(folder) {
  const path = join(folder, "filler");
  const file = openSync(path, "w");
  for (const size of [1 << 20, 4096, 1]) {
    const zeros = Buffer.alloc(size);
    for (;;) {
      try {
        if (writeSync(file, zeros) < size) break;
      } catch (error) {
        isTrue(error.code === "ENOSPC", error.message);
        break;
      }
    }
  }
  closeSync(file);
  return () => rmSync(path);
}

async function diskTooSmall(context) {
  const server = await serve(await context.archive());
  const result = await onDisk(context, "small", "size=100m", async (setup) => {
    const refused = await setup.gemlens("setup", "--archive", server.url);
    failed(refused, /expected .* free in .*, got .* MB: make room, or set GEMLENS_CACHE/, "small");
    isTrue(server.state.sent < server.size / 2, "the archive came although it cannot fit");
    const index = await setup.gemlens("setup");
    failed(index, "600.0 MB free", "small, from the package index");
    return "refused before anything is fetched, by archive and from the package index";
  });
  server.close();
  return result;
}

/** Fills up during the fetch, then has room to fetch but none to unpack, then enough. */
async function diskFills(context) {
  const server = await serve(await context.archive(), { pauseAt: 200e6 });
  const result = await onDisk(context, "fills", "size=650m", async (setup, disk) => {
    const filling = setup.start("setup", "--archive", server.url);
    await server.paused;
    const empty = fill(disk.folder);
    server.resume();
    failed(await filling.ended, "a full disk", "filled while fetching");
    empty();
    const tight = await setup.gemlens("setup", "--archive", server.url);
    failed(tight, /expected .* free/, "no room to unpack");
    isTrue(/^bytes=[1-9]/.test(server.state.requests[1] ?? ""), "what came first was thrown away");
    isTrue(kept(setup).length === 1, "the download was thrown away");
    const asked = server.state.requests.length;
    disk.remount("size=1200m");
    ended(await setup.gemlens("setup", "--archive", server.url), 0, "with room again");
    isTrue(server.state.requests.length === asked, "the download was fetched again");
    await works(setup, "with room again");
    return "full while fetching, then while unpacking, each reported; it continues with enough room";
  });
  server.close();
  return result;
}

const kept = (setup) => readdirSync(setup.files).filter((name) => name.endsWith(".zip"));

/** Allows no further file in the middle of unpacking: the same system error, at a fixed point. */
async function diskFillsUnpacking(context) {
  const server = await serve(await context.archive());
  const result = await onDisk(context, "inodes", "size=1200m,nr_inodes=16", async (setup, disk) => {
    const refused = await setup.gemlens("setup", "--archive", server.url);
    failed(refused, "a full disk", "full while unpacking");
    said(refused, "unpacking", "full while unpacking");
    isTrue(!refused.output.includes("damaged"), "a full disk was called a damaged file");
    isTrue(kept(setup).length === 1, "the download was thrown away");
    const asked = server.state.requests.length;
    disk.remount("nr_inodes=1000");
    ended(await setup.gemlens("setup", "--archive", server.url), 0, "with room again");
    isTrue(server.state.requests.length === asked, "the download was fetched again");
    await works(setup, "with room again");
    return "said as a full disk; the download stays, and with room it is unpacked";
  });
  server.close();
  return result;
}

export const diskCases = { diskTooSmall, diskFills, diskFillsUnpacking };
