/** Where a file is: in the cache, or on the hub. The order is that of Python's hf_hub_download. */

import { recordMissing } from "./cache-writer.js";
import { type CachedFile, cachedAt, cachedCommit, isKnownMissing } from "./cached-file.js";
import { type FileInfo, headFile } from "./file-info.js";
import { hubError, isProblem, shownFile } from "./hub-error.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, isCommit } from "./repo-file.js";
import { pauseAfter } from "./retry.js";

export interface Located {
  readonly commit: string;
  /** The file, if the cache has it. */
  readonly cached: CachedFile | undefined;
  /** The hub's answer, if it was asked and gave one. */
  readonly info: FileInfo | undefined;
}

/**
 * 1. A commit that is cached needs no request. 2. The hub is asked. 3. If it gives no answer, or none
 * to this token, the cache answers for it: refs, then snapshots. 4. Only then is the hub asked again.
 * A missing file or revision is final.
 *
 * @throws NOT_FOUND or DOWNLOAD
 */
export async function locate(session: HubSession, file: CheckedFile): Promise<Located> {
  if (isCommit(file.revision)) {
    const cached = cachedAt(session, file, file.revision);
    if (cached !== undefined) return { commit: file.revision, cached, info: undefined };
  }
  if (session.offline) return fromCache(session, file) ?? notCached(session, file);
  for (let failures = 1; ; failures++) {
    try {
      const info = await headFile(session, file);
      return { commit: info.commit, cached: cachedAt(session, file, info.commit), info };
    } catch (error) {
      session.signal?.throwIfAborted();
      if (isProblem(error, "no-file")) recordMissing(session, file, error.fields["commit"]);
      const isFinal = isProblem(error, "no-file", "no-revision", "insecure", "link");
      const cached = isFinal ? undefined : fromCache(session, file);
      if (cached !== undefined) return cached;
      await pauseAfter(session, error, failures);
    }
  }
}

function fromCache(session: HubSession, file: CheckedFile): Located | undefined {
  const commit = cachedCommit(session, file);
  const cached = commit === undefined ? undefined : cachedAt(session, file, commit);
  return cached && { commit: cached.commit, cached, info: undefined };
}

function notCached(session: HubSession, file: CheckedFile): never {
  const commit = cachedCommit(session, file);
  if (commit !== undefined && isKnownMissing(session, file, commit)) {
    throw hubError(session, file, "no-file", {
      expected: `a file of ${file.repo} (commit ${commit})`,
      subject: JSON.stringify(file.path),
      got: "none, as the hub said when it was last asked",
      remedy: "check the name",
    });
  }
  throw hubError(session, file, "not-cached", {
    expected: `${shownFile(file)} in ${session.cache}`,
    subject: `revision ${JSON.stringify(file.revision)}`,
    got: "none, and this call is offline",
    remedy: "fetch it once with the network (without HF_HUB_OFFLINE, or offline: false)",
  });
}
