import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { GemlensError } from "../errors/index.js";
import { withLock } from "./folder-lock.js";
import { httpDownload } from "./http-download.js";
import { cachedLibtorch, defaultTorchVersion, libtorchCandidates } from "./libtorch.js";
import { findPip, type OnBytes, pipDownload } from "./pip-download.js";
import { unpack, zipNames } from "./unpack.js";

const cpuIndex = "https://download.pytorch.org/whl/cpu";

// What the CUDA build's libtorch_cpu needs even for CPU work.
const cudaRuntime = ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];

// The wheels and what is kept of them, side by side.
const neededBytes = 1.1e9;

/** How a fetch is going: what is being done, and bytes where there are any. */
export interface FetchProgress {
  readonly step: string;
  readonly done?: number;
  readonly total?: number | undefined;
}

export interface FetchOptions {
  /** Default `defaultTorchVersion`. */
  readonly version?: string;
  /** A torch wheel or libtorch archive, as a URL or a file, instead of the package index. */
  readonly archive?: string;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/**
 * Fetches libtorch into the cache folder, unless it is there, and returns its directory. What was
 * fetched has been loaded once in a process of its own before it takes its place; an attempt that
 * broke off goes on from the files it had.
 *
 * @throws GemlensError `DOWNLOAD`, `ARGUMENT`.
 */
export async function fetchLibtorch(options: FetchOptions = {}): Promise<string> {
  const version = options.version ?? defaultTorchVersion;
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    throw new GemlensError("ARGUMENT", `setup: expected a version like 2.15.0, got ${version}`);
  }
  const progress = options.onProgress ?? (() => undefined);
  const target = cachedLibtorch(version);
  const torch = join(target, "torch");
  if (existsSync(torch)) return torch;
  mkdirSync(dirname(target), { recursive: true });
  const onWait = (holder: string) => progress({ step: `waiting for another setup (${holder})` });
  return withLock(`${target}.lock`, onWait, async () => {
    if (existsSync(torch)) return torch;
    const partial = `${target}.partial`;
    const site = join(partial, "site");
    rmSync(site, { recursive: true, force: true });
    mkdirSync(site, { recursive: true });
    checkSpace(partial);
    try {
      const files = await download(version, options.archive, join(partial, "files"), progress);
      for (const file of files) {
        progress({ step: `unpacking ${basename(file)}` });
        await orRemove(file, partial, () => unpack(file, site, keep));
      }
      checkVersion(join(site, "torch"), version);
      progress({ step: "loading it once" });
      prove(join(site, "torch"));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? diskFull(partial, error) : error;
    }
    renameSync(site, target);
    rmSync(partial, { recursive: true, force: true });
    return torch;
  });
}

function checkSpace(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < neededBytes) throw diskFull(folder, undefined);
}

function diskFull(folder: string, cause: unknown): GemlensError {
  const { bavail, bsize } = statfsSync(folder);
  const free = `${(bavail * bsize) / 1e9}`.slice(0, 4);
  return new GemlensError(
    "DOWNLOAD",
    `setup: expected ${neededBytes / 1e9} GB free for ${folder}, got ${free} GB: set GEMLENS_CACHE to a larger disk`,
    { folder },
    cause,
  );
}

async function download(
  version: string,
  archive: string | undefined,
  folder: string,
  progress: (progress: FetchProgress) => void,
): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const torch = await torchFile(version, archive, folder, progress);
  const names = await orRemove(torch, folder, () => zipNames(torch));
  if (!names.some((name) => name.endsWith("/libtorch_cuda.so"))) return [torch];
  const pip = findPip();
  if (pip === undefined) {
    throw new GemlensError(
      "DOWNLOAD",
      "setup: a CUDA build of torch needs the CUDA runtime's wheels besides, and no Python on PATH has pip",
    );
  }
  const step = "fetching the CUDA runtime that this build of torch needs";
  progress({ step });
  await pipDownload(pip, cudaRuntime, folder);
  const runtime = readdirSync(folder).filter((name) => /^nvidia_.*\.whl$/.test(name));
  return [torch, ...runtime.map((name) => join(folder, name))];
}

/** A file of ours that turns out damaged is removed, so that the next attempt fetches it anew. */
async function orRemove<T>(file: string, ours: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (GemlensError.is(error) && file.startsWith(ours)) rmSync(file, { force: true });
    throw error;
  }
}

async function torchFile(
  version: string,
  archive: string | undefined,
  folder: string,
  progress: (progress: FetchProgress) => void,
): Promise<string> {
  const bytes =
    (step: string): OnBytes =>
    (done, total) =>
      progress({ step, done, total });
  if (archive !== undefined && !/^https?:/.test(archive)) {
    if (existsSync(archive)) return resolve(archive);
    throw new GemlensError("ARGUMENT", `setup: expected a file or a URL, got ${archive}`);
  }
  const pip = archive === undefined ? findPip() : undefined;
  if (pip === undefined) {
    const url = archive ?? libtorchArchive(version);
    const file = join(folder, `${createHash("sha256").update(url).digest("hex").slice(0, 12)}.zip`);
    if (!existsSync(file)) await httpDownload(url, file, bytes(`fetching ${url}`));
    return file;
  }
  const wheel = () => readdirSync(folder).find((name) => name.startsWith(`torch-${version}`));
  if (wheel() === undefined) {
    const requirement = [`torch==${version}`];
    try {
      progress({ step: `looking for torch ${version} in PyTorch's CPU index` });
      const onBytes = bytes(`fetching torch ${version} (CPU build)`);
      await pipDownload(pip, requirement, folder, { index: cpuIndex, quick: true, onBytes });
    } catch (error) {
      // Only an index that does not answer, or lacks the version, is a reason to ask another.
      if (GemlensError.is(error) && error.fields["started"] === true) throw error;
      progress({ step: `fetching torch ${version} from the default package index` });
      const onBytes = bytes(`fetching torch ${version}`);
      await pipDownload(pip, requirement, folder, { onBytes });
    }
  }
  return join(folder, wheel() as string);
}

function libtorchArchive(version: string): string {
  const name = `libtorch-shared-with-deps-${version}%2Bcpu.zip`;
  return `https://download.pytorch.org/libtorch/cpu/${name}`;
}

/** include/ and the libraries that CPU work needs, in site-packages' layout. */
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
    `setup: expected torch ${version}, got ${got}: name it with --torch`,
  );
}

/** Loads it in a child process: a library that crashes while loading must not take us with it. */
function prove(torch: string): void {
  const library = join(torch, "lib", "libtorch_cpu.so");
  // dlopen runs to the end and only then Node objects that this is no addon.
  const script = `
    try { process.dlopen({ exports: {} }, process.argv[1]); }
    catch (error) { if (!/did not self-register/.test(error.message)) { console.error(error.message); process.exit(1); } }`;
  const run = spawnSync(process.execPath, ["-e", script, library], { encoding: "utf8" });
  if (run.status === 0) return;
  const reason = run.stderr.trim() || `it ended with ${run.signal ?? run.status}`;
  throw new GemlensError("DOWNLOAD", `setup: what was fetched does not load: ${reason}`, {
    library,
  });
}
