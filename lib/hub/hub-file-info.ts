import type { HubReadOptions, RepoFile } from "./hub-options.js";
import { openSession } from "./hub-session.js";
import { locate } from "./locate.js";
import { checkRepoFile } from "./repo-file.js";

/** A file of a repository, without its bytes. */
export interface HubFileInfo {
  readonly repo: string;
  readonly path: string;
  readonly commit: string;
  readonly size: number;
  /** Its sha256, or its git blob's sha1; undefined if only a copy without that name is cached. */
  readonly etag: string | undefined;
  /** Whether it lies in Xet storage; undefined if the hub was not asked. */
  readonly xet: boolean | undefined;
  /** Where the cache has it. */
  readonly cached: string | undefined;
}

/**
 * Size, checksum and commit of a file, and whether it is cached: for a download that is only tried.
 * Writes no file.
 *
 * @throws as `hubFile`
 */
export async function hubFileInfo(
  caller: string,
  file: RepoFile,
  options: HubReadOptions = {},
): Promise<HubFileInfo> {
  const checked = checkRepoFile(caller, file);
  const { commit, cached, info } = await locate(openSession(caller, options), checked);
  return {
    repo: checked.repo,
    path: checked.path,
    commit,
    size: (info ?? cached)?.size as number,
    etag: info?.etag ?? cached?.etag,
    xet: info === undefined ? undefined : info.xet !== undefined,
    cached: cached?.path,
  };
}
