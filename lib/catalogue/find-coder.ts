import { releaseRecords } from "./catalogue-file.js";
import { type CoderEntry, entriesOf } from "./coder-entry.js";
import { unknownId, unknownRelease } from "./not-found.js";

/**
 * The entry of a release and an id as SAELens has them.
 *
 * @throws NOT_FOUND if either is unknown; names the nearest and the reason
 */
export function findCoder(caller: string, release: string, id: string): CoderEntry {
  if (!releaseRecords().has(release)) throw unknownRelease(caller, release);
  const found = entriesOf(release).find((entry) => entry.id === id || entry.path === id);
  if (found === undefined) throw unknownId(caller, release, id);
  return found;
}

/** The entry of a folder in a repository, if the catalogue has it; the canonical one counts last. */
export function entryAt(repo: string, path: string): CoderEntry | undefined {
  const releases = [...releaseRecords()].filter(([, record]) => record.repo === repo);
  const found = releases.flatMap(([release]) =>
    entriesOf(release).filter((entry) => entry.path === path),
  );
  return found.find((entry) => !entry.release.endsWith("-canonical")) ?? found[0];
}
