/** Brings one file from the hub into the cache: locked, resumed, verified, renamed. */

import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkSpace, writeProblem } from "../fetch/disk-space.js";
import { withLock } from "../fetch/folder-lock.js";
import { hasNoLinks, linkBlob, makeFolder, placeFile } from "./cache-writer.js";
import { cachedAt, cachePlaces } from "./cached-file.js";
import type { FileInfo } from "./file-info.js";
import { hubError, isProblem, shownFile } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";
import { PartFile } from "./part-file.js";
import { openRemoteBlob } from "./remote-blob.js";
import type { CheckedFile } from "./repo-file.js";
import { pauseAfter } from "./retry.js";

/** How a transfer reports: bytes on the disk, or the process that it waits for. */
export interface TransferEvents {
  onBytes(done: number): void;
  onWait(holder: string): void;
}

/**
 * The path of the file in snapshots/. Bytes go to `.gemlens/{etag}.part` first; only a file whose
 * checksum is right leaves it.
 *
 * @throws DOWNLOAD
 */
export async function transfer(
  session: HubSession,
  file: CheckedFile,
  info: FileInfo,
  events: TransferEvents,
): Promise<string> {
  const { work, blob } = cachePlaces(session, file);
  try {
    if (hasBlob(blob(info.etag), info)) return linkBlob(session, file, info.commit, info.etag);
    makeFolder(session, file, work);
    const lock = join(work, `${info.etag}.lock`);
    const fetchTo = (base: string) => fetchLocked(session, file, info, base, events);
    const onWait = events.onWait.bind(events);
    try {
      const fetchIt = () => fetchTo(join(work, info.etag));
      return await withLock(session.caller, lock, fetchIt, { onWait, signal: session.signal });
    } catch (error) {
      if (!isLockless(error, lock)) throw error;
      // A file system without symlinks has no locks: a separate part costs only double work.
      return await fetchTo(join(work, `${info.etag}.${randomUUID()}`));
    }
  } catch (error) {
    session.signal?.throwIfAborted();
    throw writeProblem(session.fetcher, work, error) ?? error;
  }
}

/** Bytes that are still to come: what the disk has to have room for. */
export function missingBytes(session: HubSession, file: CheckedFile, info: FileInfo): number {
  const { work, blob } = cachePlaces(session, file);
  if (hasBlob(blob(info.etag), info)) return 0;
  const part = join(work, `${info.etag}.part`);
  return info.size - (existsSync(part) ? Math.min(statSync(part).size, info.size) : 0);
}

function isLockless(error: unknown, lock: string): boolean {
  const { code, syscall, dest } = error as NodeJS.ErrnoException & { dest?: string };
  return syscall === "symlink" && hasNoLinks(code) && dest?.startsWith(lock) === true;
}

function hasBlob(path: string, info: FileInfo): boolean {
  return existsSync(path) && statSync(path).size === info.size;
}

async function fetchLocked(
  session: HubSession,
  file: CheckedFile,
  info: FileInfo,
  base: string,
  events: TransferEvents,
): Promise<string> {
  // Another process may have brought it while this one waited.
  const { blob } = cachePlaces(session, file);
  if (hasBlob(blob(info.etag), info)) return linkBlob(session, file, info.commit, info.etag);
  const cached = cachedAt(session, file, info.commit);
  if (cached !== undefined) return cached.path;

  const part = await PartFile.open(base, file, info, session.signal);
  let isVerified = false;
  try {
    checkSpace(session.fetcher, cachePlaces(session, file).work, info.size - part.size);
    events.onBytes(part.size);
    isVerified = await fill(session, file, info, part, events);
    if (!isVerified) throw wrongBytes(session, file, info, part);
    await part.sync();
  } finally {
    await part.close();
    // Bytes that are wrong are of no use to anybody; those that are only not all stay.
    if (!isVerified && part.size >= info.size) part.remove();
  }
  const path = placeFile(session, file, info.commit, info.etag, part.path);
  part.remove();
  return path;
}

/** Reads until all bytes are there. Returns whether their checksum is right. */
async function fill(
  session: HubSession,
  file: CheckedFile,
  info: FileInfo,
  part: PartFile,
  events: TransferEvents,
): Promise<boolean> {
  let useXet = session.xet;
  let hasRestarted = false;
  for (let failures = 0; part.size < info.size || part.digest() !== info.etag; ) {
    if (part.size >= info.size) {
      // What an earlier process left may be damaged; what came now is what the hub has.
      if (part.resumed === 0) return false;
      await part.reset();
    }
    const before = part.size;
    try {
      await readRest(session, file, info, part, useXet, events);
      failures = 0;
    } catch (error) {
      await part.flush();
      if (isProblem(error, "no-range") && part.size > 0 && !hasRestarted) {
        hasRestarted = true;
        await part.reset();
        continue;
      }
      failures = part.size > before ? 1 : failures + 1;
      await pauseAfter(session, error, failures);
      // The same bytes come without Xet, by way of another host.
      if (part.size === before) useXet = false;
    }
  }
  return true;
}

async function readRest(
  session: HubSession,
  file: CheckedFile,
  info: FileInfo,
  part: PartFile,
  useXet: boolean,
  events: TransferEvents,
): Promise<void> {
  const blob = await openRemoteBlob(session, file, info, useXet);
  const reader = blob.stream(part.size).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        session.signal?.throwIfAborted();
        throw blob.failure(error);
      });
      if (done) break;
      await part.append(value);
      session.signal?.throwIfAborted();
      if (part.size > info.size) throw wrongBytes(session, file, info, part);
      events.onBytes(part.size);
    }
    if (part.size < info.size) throw blob.failure(new TypeError("the stream ended early"));
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function wrongBytes(session: HubSession, file: CheckedFile, info: FileInfo, part: PartFile) {
  const name = info.etag.length === 64 ? "sha256" : "git sha1";
  const tooLong = part.size > info.size;
  const expected = tooLong ? `${info.size} bytes` : `${name} ${info.etag}`;
  const got = tooLong ? "more" : part.digest();
  const remedy = "nothing was kept; try again, and check proxies that change files";
  const sentence = { expected, subject: shownFile(file), got, remedy };
  return hubError(session, file, "damaged", sentence);
}
