import { existsSync, statSync } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import type { CoderEntry } from "../catalogue/coder-entry.js";
import { entryAt, findCoder } from "../catalogue/find-coder.js";
import { argument } from "../errors/check-options.js";

/** Where a coder is published. */
export type CoderSource =
  | {
      readonly repo: string;
      /** The coder's folder, or its file of parameters, in the repository. */
      readonly path: string;
      /** Its entry of the catalogue; undefined for a coder outside it. */
      readonly entry: CoderEntry | undefined;
    }
  | { readonly folder: string };

const parameters = /\/params\.(?:npz|safetensors)$/;

/**
 * Resolves a release and an id: SAELens' names, a repository and a path in it, or a local folder that is
 * laid out like a repository and a path in it.
 *
 * @throws NOT_FOUND if the release or id does not exist, with the nearest names
 * @throws ARGUMENT if either is no such name
 */
export function coderSource(caller: string, release: string, id: string): CoderSource {
  checkText(caller, "release", release);
  checkText(caller, "id", id);
  if (isLocal(release)) return { folder: localFolder(caller, release, id) };
  if (!release.includes("/")) {
    const entry = findCoder(caller, release, id.replace(parameters, ""));
    return { repo: entry.repo, path: entry.path, entry };
  }
  const path = id.replace(/\/+$/, "");
  return { repo: release, path, entry: entryAt(release, path.replace(parameters, "")) };
}

function checkText(caller: string, name: string, value: unknown): void {
  if (typeof value === "string" && value !== "") return;
  throw argument(caller, "a text", name, JSON.stringify(value) ?? String(value));
}

/** Whether a release is a folder: a path, or the name of a folder that exists. */
function isLocal(release: string): boolean {
  if (isAbsolute(release) || /^\.{1,2}(?:\/|$)/.test(release)) return true;
  return existsSync(release) && statSync(release).isDirectory();
}

function localFolder(caller: string, folder: string, id: string): string {
  const root = resolve(folder);
  const path = join(root, id);
  if (path === root || path.startsWith(root + sep)) return path;
  throw argument(caller, `a path in ${root}`, "id", JSON.stringify(id));
}
