import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { bundledFolder, isBundled } from "../checkpoint/bundled-model.js";
import { isPresent, whatItIs } from "../checkpoint/other-format.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { hubCache, repositoryFolder, snapshotOf } from "../hub/cache-layout.js";

/** Options for finding a model in the Hugging Face cache. */
export interface HubOptions {
  /** The Hugging Face cache. Default: the one that the environment names. */
  readonly cacheDir?: string | undefined;
  /** A branch, tag or commit. Default "main". */
  readonly revision?: string | undefined;
}

/**
 * Resolves a model's name or path to a folder: that of the bundled model, a folder itself, or the
 * snapshot of a Hugging Face name in the cache.
 *
 * @throws NOT_FOUND if there are no files, with the searched folder and the way to get them
 */
export function resolveModel(
  nameOrPath: string,
  { cacheDir, revision = "main" }: HubOptions = {},
): string {
  if (isBundled(nameOrPath)) return bundledFolder("fromPretrained", nameOrPath);
  if (isFolder(nameOrPath)) return resolve(nameOrPath);
  if (existsSync(nameOrPath)) throw notAFolder(nameOrPath);
  const hub = hubName(nameOrPath);
  if (hub === undefined) {
    throw notFound(
      nameOrPath,
      "a folder, or a name like google/gemma-2-2b",
      "there is no such folder",
    );
  }
  const cache = cacheDir === undefined ? hubCache() : resolve(cacheDir);
  const repository = repositoryFolder(cache, hub);
  const snapshot = snapshotOf(repository, revision, holdsModel);
  if (snapshot !== undefined) return snapshot;
  throw notFound(
    nameOrPath,
    `its files (revision ${revision}) in ${repository}`,
    `accept Gemma's licence on huggingface.co, then fetch them with: hf download ${hub}; ` +
      "or give the path of a folder that holds config.json and the safetensors files",
  );
}

function notAFolder(path: string): GemlensError {
  const weights = /\.safetensors(?:\.index\.json)?$|config\.json$/.test(path);
  const got = weights ? `a file of it: give ${dirname(path)}` : whatItIs(path);
  const message = sentence("fromPretrained", "a model's name or folder", null, `${path}, ${got}`);
  return new GemlensError(weights ? "ARGUMENT" : "UNSUPPORTED", message, { name: path });
}

function notFound(name: string, expected: string, remedy: string): GemlensError {
  return new GemlensError(
    "NOT_FOUND",
    sentence("fromPretrained", expected, JSON.stringify(name), "none", `: ${remedy}`),
    { name },
  );
}

/** The full name `google/gemma-2-2b`; the owner of a published Gemma may be omitted. */
function hubName(name: string): string | undefined {
  if (/^[\w.-]+\/[\w.-]+$/.test(name) && !name.startsWith(".")) return name;
  return /^gemma-[23]-[\w-]+$/.test(name) ? `google/${name}` : undefined;
}

/** Whether a folder has a config.json. A dangling link counts: opening it reports the error. */
function holdsModel(folder: string): boolean {
  return isPresent(join(folder, "config.json"));
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
