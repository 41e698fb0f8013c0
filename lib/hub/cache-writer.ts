/** Writes the cache as huggingface_hub does: refs, blobs, snapshots, .no_exist, CACHEDIR.TAG. */

import { randomUUID } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { cachePlaces, isBelow, leavesCache } from "./cached-file.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, isCommit } from "./repo-file.js";

// As Python's library writes it: backup tools skip a folder that has this file.
const cacheTag = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by huggingface_hub.
# For information about cache directory tags, see:
#	https://bford.info/cachedir/
`;

/** Makes a folder of a repository's cache. @throws DOWNLOAD if a link on the way leaves the cache */
export function makeFolder(session: HubSession, file: CheckedFile, folder: string): void {
  const { storage } = cachePlaces(session, file);
  if (!existsSync(session.cache)) mkdirSync(session.cache, { recursive: true });
  const tag = join(session.cache, "CACHEDIR.TAG");
  if (!existsSync(tag)) writeFileSync(tag, cacheTag);
  if (!existsSync(storage)) mkdirSync(storage);
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!isBelow(storage, existing) && !isBelow(session.cache, existing)) {
    throw leavesCache(session, file, existing, realpathSync(existing));
  }
  mkdirSync(folder, { recursive: true });
}

/** Remembers which commit a branch or tag names. A cache that is read-only stays as it is. */
export function recordRef(session: HubSession, file: CheckedFile, commit: string): void {
  if (isCommit(file.revision)) return;
  const { ref, work } = cachePlaces(session, file);
  try {
    if (existsSync(ref) && readFileSync(ref, "utf8") === commit) return;
    makeFolder(session, file, dirname(ref));
    makeFolder(session, file, work);
    const temporary = join(work, `${randomUUID()}.tmp`);
    writeFileSync(temporary, commit);
    renameSync(temporary, ref);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/** Remembers that the hub has no such file at a commit, for calls without a network. */
export function recordMissing(session: HubSession, file: CheckedFile, commit: unknown): void {
  if (typeof commit !== "string" || !isCommit(commit)) return;
  const path = cachePlaces(session, file).noExist(commit);
  try {
    makeFolder(session, file, dirname(path));
    writeFileSync(path, "", { flag: "a" });
    // Offline, the answer is found by way of the ref; one that leads to files is left alone.
    if (!existsSync(cachePlaces(session, file).ref)) recordRef(session, file, commit);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/**
 * Puts a verified file into the cache: the blob, and the link in snapshots/ that leads to it. Without
 * symlinks the file itself goes to snapshots/, as in Python.
 */
export function placeFile(
  session: HubSession,
  file: CheckedFile,
  commit: string,
  etag: string,
  verified: string,
): string {
  const places = cachePlaces(session, file);
  const pointer = preparePointer(session, file, commit);
  makeFolder(session, file, dirname(places.blob(etag)));
  if (session.symlinks) {
    renameSync(verified, places.blob(etag));
    if (linkTo(places.blob(etag), pointer)) return pointer;
    renameSync(places.blob(etag), pointer);
  } else {
    renameSync(verified, pointer);
  }
  return pointer;
}

/** Adds a blob that is there already to a snapshot. */
export function linkBlob(
  session: HubSession,
  file: CheckedFile,
  commit: string,
  etag: string,
): string {
  const places = cachePlaces(session, file);
  const pointer = preparePointer(session, file, commit);
  if (session.symlinks && linkTo(places.blob(etag), pointer)) return pointer;
  makeFolder(session, file, places.work);
  const copy = join(places.work, `${randomUUID()}.tmp`);
  try {
    copyFileSync(places.blob(etag), copy);
    renameSync(copy, pointer);
  } finally {
    rmSync(copy, { force: true });
  }
  return pointer;
}

function preparePointer(session: HubSession, file: CheckedFile, commit: string): string {
  const pointer = cachePlaces(session, file).pointer(commit);
  makeFolder(session, file, dirname(pointer));
  return pointer;
}

/** False if the file system has no symlinks. */
function linkTo(blob: string, pointer: string): boolean {
  const target = join(relative(dirname(pointer), dirname(blob)), basename(blob));
  try {
    // The existing link leads nowhere, or to another blob.
    rmSync(pointer, { force: true });
    symlinkSync(target, pointer);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another process has just made it.
    if (code === "EEXIST" && realpathSync(pointer) === realpathSync(blob)) return true;
    if (hasNoLinks(code)) return false;
    throw error;
  }
  return true;
}

/** Whether a system call failed because the file system can't make symlinks. */
export function hasNoLinks(code: string | undefined): boolean {
  return code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOSYS";
}

function isRefusal(error: unknown): boolean {
  return /^(?:EACCES|EPERM|EROFS)$/.test((error as NodeJS.ErrnoException).code ?? "");
}
