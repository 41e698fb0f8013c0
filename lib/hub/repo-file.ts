/** The names that a download is made of: checked, as URL, and as folders of the cache. */

import { join } from "node:path";
import { argument } from "../errors/check-options.js";
import type { GemlensError } from "../errors/gemlens-error.js";
import { show } from "../errors/show-value.js";
import type { RepoFile, RepoType } from "./hub-options.js";

/** A file whose names were checked and whose defaults are filled in. */
export interface CheckedFile {
  readonly repo: string;
  readonly repoType: RepoType;
  readonly revision: string;
  readonly path: string;
}

const repoTypes: readonly RepoType[] = ["model", "dataset", "space"];
const longest = 1024;

/**
 * Checks every name before it becomes a URL or a path on the disk.
 *
 * @throws ARGUMENT if a name could leave the repository's folder, or can't exist on the hub
 */
export function checkRepoFile(caller: string, file: RepoFile): CheckedFile {
  const { repo, repoType = "model", revision = "main", path } = file;
  if (!repoTypes.includes(repoType)) {
    throw argument(caller, repoTypes.join(" | "), "repoType", show(repoType));
  }
  if (!isRepo(repo)) throw argument(caller, "a name like google/gemma-2-2b", "repo", show(repo));
  if (!isRevision(revision)) {
    throw argument(caller, "a branch, tag or commit", "revision", show(revision));
  }
  if (!isPath(path)) throw badPath(caller, path);
  return { repo, repoType, revision, path };
}

/** Whether a revision is a full commit hash, whose files never change. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** Whether an ETag may name a file: a sha256 or a git blob's sha1, nothing else. */
export function isEtag(etag: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag);
}

/** {endpoint}/{repo}/resolve/{revision}/{path}. */
export function resolveUrl(endpoint: string, file: CheckedFile, revision = file.revision): URL {
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  return new URL(`${pageUrl(endpoint, file)}/resolve/${encodeURIComponent(revision)}/${path}`);
}

/** The repository's page, which errors point at. */
export function pageUrl(endpoint: string, { repo, repoType }: CheckedFile): string {
  return `${endpoint}/${repoType === "model" ? "" : `${repoType}s/`}${repo}`;
}

/** The folder of a repository in a cache, as huggingface_hub names it. */
export function storageFolder(cache: string, { repo, repoType }: CheckedFile): string {
  return join(cache, `${repoType}s--${repo.replace("/", "--")}`);
}

function isRepo(repo: unknown): repo is string {
  if (typeof repo !== "string" || repo.length > 193 || /--|\.\.|\.git$/.test(repo)) return false;
  const names = repo.split("/");
  return names.length <= 2 && names.every((name) => /^\w(?:[\w.-]{0,94}\w)?$/.test(name));
}

/** The names that git allows for a ref, without those that no hub has. */
function isRevision(revision: unknown): revision is string {
  if (typeof revision !== "string" || revision.length > 255) return false;
  if (/[\p{Cc}\p{Cs}\s~^:?*[\\]|\.\.|@\{/u.test(revision) || revision === "@") return false;
  return revision.split("/").every((name) => /^[^.-]/.test(name) && !/\.(?:lock)?$/.test(name));
}

function isPath(path: unknown): path is string {
  if (typeof path !== "string" || path.length > longest || /[\p{Cc}\p{Cs}\\]/u.test(path))
    return false;
  return path
    .split("/")
    .every(
      (name) => name !== "" && name !== "." && name !== ".." && Buffer.byteLength(name) <= 255,
    );
}

function badPath(caller: string, path: unknown): GemlensError {
  return argument(
    caller,
    "a relative path without .., \\ or control characters",
    "path",
    show(path),
  );
}
