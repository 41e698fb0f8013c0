/** The layout of the Hugging Face cache: {cache}/models--{owner}--{name}/{blobs,refs,snapshots}. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** A path inside the snapshot of a cached repository. */
export interface CachedPath {
  /** Such as `google`; undefined for the few repositories without one. */
  readonly owner: string | undefined;
  readonly name: string;
  readonly commit: string;
  /** Relative to the snapshot; undefined for the snapshot itself. */
  readonly path: string | undefined;
}

/** The cache folder of huggingface_hub. */
export function hubCache(env: NodeJS.ProcessEnv = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = env;
  const cache = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return cache ? resolve(expandHome(cache)) : join(hubHome(env), "hub");
}

/** The folder of the cache and the token file. */
export function hubHome({ HF_HOME, XDG_CACHE_HOME }: NodeJS.ProcessEnv = process.env): string {
  if (HF_HOME) return resolve(expandHome(HF_HOME));
  return join(expandHome(XDG_CACHE_HOME || "") || join(homedir(), ".cache"), "huggingface");
}

/** A leading "~" in a variable that no shell has expanded. */
export function expandHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, () => homedir());
}

/** The folder of `google/gemma-2-2b` in a cache. */
export function repositoryFolder(cache: string, repository: string): string {
  return join(cache, `models--${repository.replace("/", "--")}`);
}

/** The folder of a repository's snapshots, each named by its commit. */
export function snapshotsFolder(repository: string): string {
  return join(repository, "snapshots");
}

/**
 * The snapshot of a revision, if `holds` accepts it; for "main" without a ref, the only accepted
 * snapshot.
 */
export function snapshotOf(
  repository: string,
  revision: string,
  holds: (folder: string) => boolean,
): string | undefined {
  const snapshots = snapshotsFolder(repository);
  if (!/^[\w./-]+$/.test(revision) || revision.includes("..") || !isFolder(snapshots))
    return undefined;
  const ref = join(repository, "refs", revision);
  const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : revision;
  const folder = join(snapshots, commit);
  if (/^[0-9a-f]+$/.test(commit) && holds(folder)) return folder;
  if (revision !== "main") return undefined;
  const complete = readdirSync(snapshots)
    .map((name) => join(snapshots, name))
    .filter(holds);
  return complete.length === 1 ? complete[0] : undefined;
}

/** Parses a path into a cache without looking at the disk; undefined for any other path. */
export function parseCachedPath(path: string): CachedPath | undefined {
  const found = /^(?:.*\/)?models--(?:([^/]+)--)?([^/]+?)\/snapshots\/([^/]+)(?:\/(.+))?$/.exec(
    resolve(path),
  );
  if (found === null) return undefined;
  const [, owner, name = "", commit = "", inside] = found;
  return { owner, name, commit, path: inside };
}

/** The folders with unfinished parts of a download, of `hf download --local-dir` or of this snapshot. */
export function downloadFolders(dir: string): readonly string[] {
  const ofSnapshot = ["blobs", ".gemlens"].map((name) => join(dir, "../..", name));
  return [join(dir, ".cache/huggingface/download"), ...ofSnapshot];
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
