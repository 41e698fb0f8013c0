/** Reads the cache: which files are there, by commit, branch or tag. */

import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { hubError } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, isCommit, isEtag, storageFolder } from "./repo-file.js";

/** A file that the cache has. */
export interface CachedFile {
  /** In snapshots/, which is what callers open. */
  readonly path: string;
  readonly commit: string;
  readonly size: number;
  /** undefined if the cache was written without symlinks. */
  readonly etag: string | undefined;
}

/** The places of one file in the cache. */
export function cachePlaces(session: HubSession, file: CheckedFile) {
  const storage = storageFolder(session.cache, file);
  return {
    storage,
    ref: join(storage, "refs", file.revision),
    blob: (etag: string) => join(storage, "blobs", etag),
    pointer: (commit: string) => join(storage, "snapshots", commit, file.path),
    noExist: (commit: string) => join(storage, ".no_exist", commit, file.path),
    /** Parts, journals and locks; Python's library never looks here. */
    work: join(storage, ".gemlens"),
  };
}

/**
 * The file at one commit.
 *
 * @throws DOWNLOAD if what is there is a link that leaves the cache
 */
export function cachedAt(
  session: HubSession,
  file: CheckedFile,
  commit: string,
): CachedFile | undefined {
  const { pointer, storage } = cachePlaces(session, file);
  const path = pointer(commit);
  if (!existsSync(path)) return undefined;
  const real = realpathSync(path);
  if (![session.cache, storage, join(storage, "blobs")].some((root) => isBelow(root, real))) {
    throw leavesCache(session, file, path, real);
  }
  const stat = statSync(real);
  if (!stat.isFile()) return undefined;
  const name = lstatSync(path).isSymbolicLink() ? basename(readlinkSync(path)) : "";
  return { path, commit, size: stat.size, etag: isEtag(name) ? name : undefined };
}

/** The commit that a branch or tag named when it was last asked for. */
export function cachedCommit(session: HubSession, file: CheckedFile): string | undefined {
  if (isCommit(file.revision)) return file.revision;
  try {
    const commit = readFileSync(cachePlaces(session, file).ref, "utf8").trim();
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the hub once said that the file does not exist at this commit. */
export function isKnownMissing(session: HubSession, file: CheckedFile, commit: string): boolean {
  return existsSync(cachePlaces(session, file).noExist(commit));
}

/** Whether `path`, which exists, lies in `root` after all links. */
export function isBelow(root: string, path: string): boolean {
  if (!existsSync(root)) return false;
  return `${realpathSync(path)}${sep}`.startsWith(`${realpathSync(root)}${sep}`);
}

/** The error for a link in the cache that leads out of it. */
export function leavesCache(session: HubSession, file: CheckedFile, path: string, real: string) {
  const sentence = {
    expected: "a place in the cache",
    got: `${path}, a link to ${real}`,
    remedy: "remove the link",
  };
  return hubError(session, file, "link", sentence, { file: path });
}
