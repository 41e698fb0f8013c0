/** Files of a repository, from the cache or the hub. */

import { checkSpace } from "../fetch/disk-space.js";
import { recordRef } from "./cache-writer.js";
import { cachePlaces } from "./cached-file.js";
import type { FileInfo } from "./file-info.js";
import type { HubProgress, HubReadOptions, RepoFile } from "./hub-options.js";
import { type HubSession, openSession } from "./hub-session.js";
import { locate } from "./locate.js";
import { type CheckedFile, checkRepoFile } from "./repo-file.js";
import { missingBytes, transfer } from "./transfer.js";

/** Several files of one repository, of one commit. */
export interface RepoFiles extends Omit<RepoFile, "path"> {
  readonly paths: readonly string[];
}

export interface HubFilesOptions extends HubReadOptions {
  /** How many files come at once. Default 4. */
  readonly parallel?: number | undefined;
}

const defaultParallel = 4;
const progressMs = 100;

/**
 * The path of a file in the Hugging Face cache, which Python's huggingface_hub shares; fetched if it is
 * not there.
 *
 * @throws ARGUMENT if a name is invalid; NOT_FOUND if the repository, revision or file does not exist, or
 *   is not cached and the call is offline; DOWNLOAD if it can't be fetched (`fields.problem` says why)
 */
export async function hubFile(
  caller: string,
  file: RepoFile,
  options: HubReadOptions = {},
): Promise<string> {
  const { path, ...repo } = file;
  const [found] = await hubFiles(caller, { ...repo, paths: [path] }, options);
  return found as string;
}

/**
 * The paths of several files, in the order of `paths`, all of the same commit. Fetches those that are
 * not cached, a few at once, after checking that the disk has room for all.
 *
 * @throws as `hubFile`, for the first file that fails; the others stop and can be resumed
 */
export async function hubFiles(
  caller: string,
  { paths, ...repo }: RepoFiles,
  options: HubFilesOptions = {},
): Promise<string[]> {
  const files = paths.map((path) => checkRepoFile(caller, { ...repo, path }));
  const session = openSession(caller, options);
  const [first, ...others] = files;
  if (first === undefined) return [];

  const { commit, ...head } = await locate(session, first);
  // The branch may move meanwhile: the others are of the commit that it named for the first.
  const pinned = others.map((file) => ({ ...file, revision: commit }));
  const rest = await inParallel(session, options.parallel, pinned, (file, own) =>
    locate(own, file),
  );
  const located = [head, ...rest];

  const toFetch = located.flatMap(({ cached, info }, i) =>
    cached === undefined && info !== undefined ? [{ file: files[i] as CheckedFile, info }] : [],
  );
  checkRoom(session, toFetch);
  const progress = progressOf(toFetch, options.onProgress);
  const fetched = await inParallel(session, options.parallel, toFetch, ({ file, info }, own) =>
    transfer(own, file, info, progress(file)),
  );
  recordRef(session, first, commit);
  return located.map(({ cached }) => cached?.path ?? (fetched.shift() as string));
}

interface Wanted {
  readonly file: CheckedFile;
  readonly info: FileInfo;
}

function checkRoom(session: HubSession, wanted: readonly Wanted[]): void {
  const [first] = wanted;
  if (first === undefined) return;
  const bytes = wanted.reduce((sum, { file, info }) => sum + missingBytes(session, file, info), 0);
  checkSpace(session.fetcher, cachePlaces(session, first.file).storage, bytes);
}

/** The results in the order of `items`. The first failure stops the others, and is thrown when they have. */
async function inParallel<T, R>(
  session: HubSession,
  parallel = defaultParallel,
  items: readonly T[],
  run: (item: T, own: HubSession) => Promise<R>,
): Promise<R[]> {
  const stop = new AbortController();
  const { signal = stop.signal } = session;
  const own = withSignal(session, AbortSignal.any([signal, stop.signal]));
  const results: R[] = [];
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const at = next++;
      try {
        results[at] = await run(items[at] as T, own);
      } catch (error) {
        failure ??= { error };
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, parallel) }, worker));
  if (failure !== undefined) throw failure.error;
  return results;
}

function withSignal(session: HubSession, signal: AbortSignal): HubSession {
  const own = { ...session, signal };
  return Object.defineProperty(own, "token", { value: session.token, enumerable: false });
}

/** Reports of all files as one sequence of events, not more often than anyone reads. */
function progressOf(wanted: readonly Wanted[], onProgress: HubReadOptions["onProgress"]) {
  const done = new Map(wanted.map(({ file }) => [file.path, 0]));
  const sizes = new Map(wanted.map(({ file, info }) => [file.path, info.size]));
  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
  const report = ({ repo, path }: CheckedFile, more: Partial<HubProgress> = {}) =>
    onProgress?.({
      repo,
      path,
      done: done.get(path) as number,
      total: sizes.get(path) as number,
      overall: { done: sum(done.values()), total: sum(sizes.values()) },
      ...more,
    });
  return (file: CheckedFile) => {
    let last = 0;
    return {
      onBytes(bytes: number) {
        done.set(file.path, bytes);
        const now = performance.now();
        if (bytes < (sizes.get(file.path) as number) && now - last < progressMs) return;
        last = now;
        report(file);
      },
      onWait: (waitingFor: string) => report(file, { waitingFor }),
    };
  };
}
