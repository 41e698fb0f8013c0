/** The journal of a part file: written before its first byte, so that a later process can resume it. */

import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { FileInfo } from "./file-info.js";
import type { CheckedFile } from "./repo-file.js";

const format = 1;
const largest = 65_536;

/** Whether the journal at `path` is of a part of this very file. Anything unreadable is not. */
export function journalMatches(path: string, info: FileInfo): boolean {
  try {
    if (statSync(path).size > largest) return false;
    const journal = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown> | null;
    const { etag, size } = info;
    return journal?.["format"] === format && journal["etag"] === etag && journal["size"] === size;
  } catch {
    return false;
  }
}

/** Holds names, the checksum and the size: no URL, no token. */
export function writeJournal(path: string, file: CheckedFile, info: FileInfo): void {
  const { repo, repoType } = file;
  const { commit, etag, size } = info;
  const journal = { format, repo, repoType, path: file.path, commit, etag, size };
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(journal)}\n`);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
