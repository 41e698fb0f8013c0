import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { fileSum, findChange, writeSums } from "../fetch/checksum.js";
import { checkSpace, isSystemError, writeProblem } from "../fetch/disk-space.js";
import { withLock } from "../fetch/folder-lock.js";
import { cachedLibtorch, defaultTorchVersion, libtorchCandidates } from "../native/libtorch.js";
import { caller } from "./caller.js";
import type { FetchProgress } from "./fetch-progress.js";
import { findPip, pipDownload } from "./pip-download.js";
import { torchArchive } from "./torch-archive.js";
import { loadProblem } from "./try-loading.js";
import { unpack, zipSizes } from "./unpack.js";

// libtorch_cpu of a CUDA build needs these even for CPU work.
const cudaRuntime = ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];

// The size of a wheel of the default package index, which is unknown until pip starts.
const wheelBytes = 6e8;

/** Options for `fetchLibtorch`. */
export interface FetchOptions {
  /** Default: `defaultTorchVersion`. */
  readonly version?: string;
  /** A torch wheel or libtorch archive, as a URL or a file, instead of the package index. */
  readonly archive?: string;
  /** The archive's SHA-256, in hex. */
  readonly sha256?: string;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/**
 * Fetches libtorch into the cache folder, unless an undamaged copy is there, and returns its directory.
 * A child process loads the new copy once before it is moved into place. A broken attempt resumes with
 * the files it already has.
 *
 * @throws GemlensError `DOWNLOAD`, `ARGUMENT`
 */
export async function fetchLibtorch(options: FetchOptions = {}): Promise<string> {
  const version = options.version ?? defaultTorchVersion;
  checkOptions(version, options);
  const progress = options.onProgress ?? (() => undefined);
  const target = cachedLibtorch(version);
  const torch = join(target, "torch");
  const partial = `${target}.partial`;
  if (!existsSync(partial) && (await isUsable(target, options, progress))) return torch;
  try {
    mkdirSync(dirname(target), { recursive: true });
    const onWait = (holder: string) => progress({ step: `waiting for another setup (${holder})` });
    const body = async () => {
      // Another setup may have fetched it in the meantime, or was killed just before it cleaned up.
      if (await isUsable(target, options, () => undefined)) {
        rmSync(partial, { recursive: true, force: true });
      } else {
        await fetchInto(target, version, options, progress);
      }
      return torch;
    };
    return await withLock(caller.name, `${target}.locks`, body, { onWait });
  } catch (error) {
    throw writeProblem(caller, dirname(target), error) ?? error;
  }
}

function checkOptions(version: string, { archive, sha256 }: FetchOptions): void {
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new GemlensError("ARGUMENT", sentence("setup", "a version like 2.15.0", null, version));
  }
  if (sha256 === undefined) return;
  if (archive === undefined) {
    throw new GemlensError(
      "ARGUMENT",
      sentence("setup", "--archive beside --sha256", null, "none", ": it is the archive's sum"),
    );
  }
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new GemlensError("ARGUMENT", sentence("setup", "64 hex digits", "sha256", sha256));
  }
}

/** Whether the cache has an undamaged copy, from the archive with the given sum if there is one. */
async function isUsable(
  target: string,
  { sha256 }: FetchOptions,
  progress: (progress: FetchProgress) => void,
): Promise<boolean> {
  if (!existsSync(target)) return false;
  const damage = await cacheDamage(target);
  if (damage !== undefined) {
    progress({ step: `the cache is damaged, ${damage}: fetching it again` });
    return false;
  }
  const source = readSource(target);
  if (sha256 === undefined || source === sha256.toLowerCase()) return true;
  throw new GemlensError(
    "ARGUMENT",
    sentence(
      "setup",
      `an archive with SHA-256 ${sha256}`,
      null,
      `a cache from ${source ?? "an unknown one"}`,
      `: remove ${target} to take another`,
    ),
    { folder: target },
  );
}

/** Describes the damage of a fetched libtorch; undefined if it is intact. */
async function cacheDamage(target: string): Promise<string | undefined> {
  const torch = join(target, "torch");
  if (!existsSync(torch)) return `${torch} is missing`;
  try {
    return (await findChange(target)) ?? loadProblem(torch);
  } catch (error) {
    if (isSystemError(error)) return `${error.path ?? target} cannot be read (${error.code})`;
    throw error;
  }
}

async function fetchInto(
  target: string,
  version: string,
  options: FetchOptions,
  progress: (progress: FetchProgress) => void,
): Promise<void> {
  const partial = `${target}.partial`;
  const site = join(partial, "site");
  const files = join(partial, "files");
  rmSync(site, { recursive: true, force: true });
  mkdirSync(site, { recursive: true });
  mkdirSync(files, { recursive: true });
  const archives = await download({ version, ...options }, files, progress);
  checkSpace(caller, partial, await unpackedBytes(archives));
  const sums = new Map<string, string>();
  for (const file of archives) {
    progress({ step: `unpacking ${basename(file)}` });
    const found = await orRemove(file, files, () => unpack(file, site, keep));
    for (const [path, sum] of found) sums.set(path, sum);
  }
  checkVersion(join(site, "torch"), version);
  progress({ step: "loading it once" });
  const problem = loadProblem(join(site, "torch"));
  if (problem !== undefined) {
    throw new GemlensError("DOWNLOAD", `setup: the fetched libtorch does not load: ${problem}`);
  }
  writeSums(site, sums);
  writeFileSync(join(site, "source"), `${await fileSum(archives[0] as string)}\n`);
  if (existsSync(target)) renameSync(target, join(partial, `damaged-${Date.now()}`));
  renameSync(site, target);
  rmSync(partial, { recursive: true, force: true });
}

function readSource(target: string): string | undefined {
  const path = join(target, "source");
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Returns the torch archive first, then the wheels that it also needs. */
async function download(
  request: FetchOptions & { version: string },
  folder: string,
  progress: (progress: FetchProgress) => void,
): Promise<string[]> {
  if (request.archive === undefined) {
    checkSpace(caller, folder, Math.max(0, wheelBytes - bytesIn(folder)));
  }
  const torch = await torchArchive(request, folder, progress);
  const names = [...(await orRemove(torch, folder, () => zipSizes(torch))).keys()];
  if (!names.some((name) => name.endsWith("/libtorch_cuda.so"))) return [torch];
  const pip = findPip();
  if (pip === undefined) {
    throw new GemlensError(
      "DOWNLOAD",
      "setup: a CUDA build of torch also needs the CUDA runtime's wheels, and no Python on PATH has pip",
    );
  }
  const runtime = () => readdirSync(folder).filter((name) => /^nvidia_.*\.whl$/.test(name));
  if (runtime().length < cudaRuntime.length) {
    progress({ step: "fetching the CUDA runtime that this build of torch needs" });
    await pipDownload(pip, cudaRuntime, folder);
  }
  return [torch, ...runtime().map((name) => join(folder, name))];
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(folder, entry.name)).size, 0);
}

async function unpackedBytes(archives: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const file of archives) {
    for (const [name, size] of await zipSizes(file)) {
      if (keep(name) !== undefined) bytes += size;
    }
  }
  return bytes;
}

/** Removes a damaged file that lies in `ours`, so that the next attempt fetches it again. */
async function orRemove<T>(file: string, ours: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (GemlensError.is(error) && file.startsWith(ours)) rmSync(file, { force: true });
    throw error;
  }
}

/** Maps include/ and the libraries that CPU work needs to site-packages' layout; undefined for other files. */
function keep(name: string): string | undefined {
  const path = name.replace(/^libtorch\//, "torch/");
  if (/^torch\/(include\/|version\.py$|build-version$)/.test(path)) return path;
  if (/^torch\/lib\/lib(torch_cpu|c10|gomp[^/]*)\.so[^/]*$/.test(path)) return path;
  if (/^nvidia\/cu\d+\/lib\/lib(cudart|cupti)\.so\.\d+$/.test(path)) return path;
  return undefined;
}

function checkVersion(torch: string, version: string): void {
  const [candidate] = libtorchCandidates({ LIBTORCH: torch });
  if (candidate?.version === version) return;
  const got = candidate?.version ?? candidate?.problem;
  throw new GemlensError(
    "ARGUMENT",
    sentence("setup", `torch ${version}`, null, got, ": name it with --torch"),
  );
}
