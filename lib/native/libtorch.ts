import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileProblem } from "./elf.js";

/** The libtorch that `gemlens setup` fetches. */
export const defaultTorchVersion = "2.15.0";

// The sources use nothing newer than this, and are built and tested against it.
const oldestMinor = "2.11";

/**
 * One path where libtorch was looked for. It is usable if `problem` is undefined.
 *
 * @inline
 */
export interface LibtorchCandidate {
  /** The variable, a Python on PATH that has torch, or the cache folder. */
  readonly source: "LIBTORCH" | "python" | "cache";
  /** The directory with include/ and lib/; if none was found, the one that was tried. */
  readonly dir: string;
  /** Such as "2.15.0". */
  readonly version: string | undefined;
  /** Such as "2.15"; each minor needs its own core. */
  readonly minor: string | undefined;
  /** Whether libtorch_cuda.so is present; the version string does not say. */
  readonly cuda: boolean;
  /** Whether include/ is present, so that a core can be built against it. */
  readonly headers: boolean;
  /** Why it can't be used; undefined if it can. */
  readonly problem: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `GEMLENS_CACHE`, else `$XDG_CACHE_HOME/gemlens`, else `~/.cache/gemlens`. */
export function cacheDir(env: Environment = process.env): string {
  if (env["GEMLENS_CACHE"]) return resolve(env["GEMLENS_CACHE"]);
  const base = env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache");
  return join(base, "gemlens");
}

/** The folder of one fetched version, laid out like site-packages: torch/ and nvidia/ inside. */
export function cachedLibtorch(version: string, env: Environment = process.env): string {
  return join(cacheDir(env), "libtorch", version);
}

/**
 * Yields every path where libtorch may be, by priority: `LIBTORCH`, a Python on PATH that has torch, the
 * cache folder. It is lazy: Python runs only if the caller continues after `LIBTORCH`. The build, the
 * loader and the doctor all use it.
 */
export function* libtorchCandidates(env: Environment = process.env): Generator<LibtorchCandidate> {
  const named = env["LIBTORCH"];
  yield named ? inspect("LIBTORCH", resolve(named)) : missing("LIBTORCH", "LIBTORCH", "not set");
  yield* pythonCandidates(env);
  yield* cacheCandidates(env);
}

/** The first candidate that a core can be built against, and the ones skipped before it. */
export function libtorchForBuild(env: Environment = process.env): {
  found: LibtorchCandidate | undefined;
  passedOver: LibtorchCandidate[];
} {
  const passedOver: LibtorchCandidate[] = [];
  for (const candidate of libtorchCandidates(env)) {
    const { headers, minor, problem = tooOld(minor) } = candidate;
    if (problem === undefined && headers) return { found: candidate, passedOver };
    passedOver.push({ ...candidate, problem });
  }
  return { found: undefined, passedOver };
}

function tooOld(minor: string | undefined): string | undefined {
  return minor !== undefined && compareVersions(minor, oldestMinor) < 0
    ? `older than ${oldestMinor}, the oldest that a core can be built for`
    : undefined;
}

/** Describes a candidate in one line, for doctor and errors. */
export function describeCandidate(candidate: LibtorchCandidate): string {
  const { source, dir, version, cuda, headers, problem } = candidate;
  const place = source === dir || version === undefined ? dir : `${source} ${dir}`;
  if (version === undefined) return `${place}: ${problem ?? "no version"}`;
  const details = [version, cuda ? "CUDA" : "CPU", ...(headers ? [] : ["no headers"])];
  return `${place}: ${details.join(", ")}${problem === undefined ? "" : `: ${problem}`}`;
}

function missing(
  source: LibtorchCandidate["source"],
  dir: string,
  problem: string,
): LibtorchCandidate {
  return {
    source,
    dir,
    version: undefined,
    minor: undefined,
    cuda: false,
    headers: false,
    problem,
  };
}

function inspect(source: LibtorchCandidate["source"], dir: string): LibtorchCandidate {
  if (!existsSync(dir)) return missing(source, dir, "no such directory");
  if (!existsSync(join(dir, "lib", "libtorch_cpu.so"))) {
    return missing(source, dir, "holds no lib/libtorch_cpu.so");
  }
  const version = readVersion(dir);
  const minor = version?.match(/^\d+\.\d+/)?.[0];
  return {
    source,
    dir,
    version,
    minor,
    cuda: existsSync(join(dir, "lib", "libtorch_cuda.so")),
    headers: existsSync(join(dir, "include", "ATen", "core", "Tensor.h")),
    problem: minor === undefined ? "names no version" : libraryProblem(dir),
  };
}

function libraryProblem(dir: string): string | undefined {
  for (const name of ["libtorch_cpu.so", "libc10.so"]) {
    const problem = fileProblem(join(dir, "lib", name));
    if (problem !== undefined) return `lib/${name} ${problem}`;
  }
  return undefined;
}

function readVersion(dir: string): string | undefined {
  const headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
  for (const header of headers) {
    const text = readIfThere(join(dir, "include", header));
    const parts = ["MAJOR", "MINOR", "PATCH"].map(
      (part) => text?.match(new RegExp(`#define\\s+TORCH_VERSION_${part}\\s+(\\d+)`))?.[1],
    );
    if (parts.every((part) => part !== undefined)) return parts.join(".");
  }
  const python = readIfThere(join(dir, "version.py"))?.match(/__version__ = ['"]([\d.]+)/)?.[1];
  return python ?? readIfThere(join(dir, "build-version"))?.match(/^[\d.]+/)?.[0];
}

/** Returns undefined also for an unreadable file; such a libtorch has no version. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

// find_spec finds the package without importing it: 30 ms instead of seconds. Python searches the
// working directory first, and a torch/ there must not be loaded into a process.
const askPython = `
import sys
sys.path = [path for path in sys.path if path]
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.origin if spec is not None and spec.origin else "")`;

function* pythonCandidates(env: Environment): Generator<LibtorchCandidate> {
  for (const python of ["python3", "python"]) {
    const run = spawnSync(python, ["-c", askPython], {
      encoding: "utf8",
      env: env as NodeJS.ProcessEnv,
      timeout: 20_000,
    });
    if (run.error !== undefined || run.status !== 0) {
      const code = (run.error as NodeJS.ErrnoException | undefined)?.code;
      const problem =
        code === "ENOENT" ? "not on PATH" : `could not be asked (${code ?? run.status})`;
      yield missing("python", python, problem);
      continue;
    }
    const origin = run.stdout.trim();
    if (origin !== "") {
      yield inspect("python", dirname(origin));
      return;
    }
    yield missing("python", python, "has no torch");
  }
}

function* cacheCandidates(env: Environment): Generator<LibtorchCandidate> {
  const folder = join(cacheDir(env), "libtorch");
  let names: string[];
  try {
    names = existsSync(folder) ? readdirSync(folder) : [];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    yield missing("cache", folder, `cannot be read (${code})`);
    return;
  }
  const versions = names.filter((name) => /^\d+\.\d+\.\d+$/.test(name));
  if (versions.length === 0) yield missing("cache", folder, "nothing fetched yet");
  versions.sort((a, b) => preference(a) - preference(b) || compareVersions(b, a));
  for (const version of versions) yield inspect("cache", join(folder, version, "torch"));
}

function preference(version: string): number {
  return version === defaultTorchVersion ? 0 : 1;
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
