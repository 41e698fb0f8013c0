import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import type { Addon } from "./addon.js";
import { coreProblem } from "./core-check.js";
import { fileProblem } from "./elf.js";
import { describeCandidate, type LibtorchCandidate, libtorchCandidates } from "./libtorch.js";
import { packageRoot } from "./package-root.js";
import { platformProblem } from "./platform.js";

/** What native/loader.c exports. */
interface Loader {
  load(libs: string[], corePath: string): unknown;
  /** Limits what is opened next as `GEMLENS_ISA` says; throws if it names no instruction set of this CPU. */
  limitInstructionSet(): void;
}

/** How the addon came to be loaded: for `doctor`. */
export interface NativeReport {
  /** The folder with gemlens.node and the cores. */
  readonly artefacts: string;
  readonly libtorch: LibtorchCandidate;
  readonly core: string;
  /** Why CUDA is not loaded, or undefined where it is. */
  readonly cudaProblem: string | undefined;
  /** What was tried before, in order. */
  readonly attempts: readonly string[];
}

const require = createRequire(join(packageRoot, "package.json"));

let loaded: { addon: Addon; report: NativeReport } | undefined;

/**
 * The native addon, loaded at the first call and then kept.
 *
 * @throws GemlensError `NATIVE_LOAD` with every attempt and what to do about it.
 */
export function loadAddon(): Addon {
  return loadWithReport().addon;
}

/** As `loadAddon`, with how it went. */
export function loadWithReport(): { addon: Addon; report: NativeReport } {
  if (loaded === undefined) {
    loaded = load();
    const { addon } = loaded;
    // process.exit() runs no clean-up hook of the main environment: a GPU's run would go on while CUDA
    // is taken apart under it, which ends in a segmentation fault.
    process.once("exit", () => addon.shutDown());
  }
  return loaded;
}

/** The folder that holds gemlens.node: `GEMLENS_ADDON`, build/Release or the prebuild. */
export function findArtefacts(): string {
  const override = process.env["GEMLENS_ADDON"];
  if (override) {
    const path = resolve(override);
    const folder = existsSync(path) && statSync(path).isFile() ? dirname(path) : path;
    if (!existsSync(join(folder, "gemlens.node"))) {
      throw new Error(`GEMLENS_ADDON: ${folder} holds no gemlens.node`);
    }
    return folder;
  }
  const nodeGypBuild = require("node-gyp-build") as { path(root: string): string };
  return dirname(nodeGypBuild.path(packageRoot));
}

/** The torch minors that have a core in this folder, newest first. */
export function coreMinors(artefacts: string): string[] {
  return readdirSync(artefacts)
    .map((name) => name.match(/^libgemlens_core-(\d+\.\d+)\.so$/)?.[1])
    .filter((minor) => minor !== undefined)
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}

function load(): { addon: Addon; report: NativeReport } {
  const attempts: string[] = [];
  let artefacts: string;
  let loader: Loader;
  try {
    artefacts = findArtefacts();
    const problem = fileProblem(join(artefacts, "gemlens.node"));
    if (problem !== undefined) throw new Error(`${artefacts}/gemlens.node ${problem}`);
    loader = require(join(artefacts, "gemlens.node")) as Loader;
  } catch (error) {
    throw failure([`loader gemlens.node: ${firstLine(error)}`], [], error);
  }
  limitInstructionSet(loader);
  const minors = coreMinors(artefacts);
  // Why what has both a libtorch and a core did not load: it says more than what is not there.
  let problem: string | undefined;
  let cause: unknown;
  for (const libtorch of libtorchCandidates()) {
    if (libtorch.problem !== undefined) {
      attempts.push(describeCandidate(libtorch));
      continue;
    }
    const core = join(artefacts, `libgemlens_core-${libtorch.minor}.so`);
    if (!existsSync(core)) {
      attempts.push(`${describeCandidate(libtorch)}: no core is built for ${libtorch.minor}`);
      continue;
    }
    const damage = fileProblem(core);
    if (damage !== undefined) {
      problem = `${describeCandidate(libtorch)}: ${core} ${damage}`;
      attempts.push(problem);
      continue;
    }
    const torch = join(libtorch.dir, "lib", "libtorch_cpu.so");
    try {
      const { exports, cudaProblem } = open(loader, artefacts, libtorch, core);
      const mismatch = coreProblem(exports as Partial<Addon>);
      if (mismatch !== undefined) throw new Error(`${core}: ${mismatch}`);
      const report = { artefacts, libtorch, core, cudaProblem, attempts };
      return { addon: exports as Addon, report };
    } catch (error) {
      cause = error;
      problem = `${describeCandidate(libtorch)}: ${firstLine(error)}`;
      attempts.push(problem);
      // Once a libtorch is in the process a second one would share half of its libraries.
      if (!firstLine(error).startsWith(`${torch}: `)) break;
    }
  }
  throw failure(attempts, minors, cause, problem);
}

function limitInstructionSet(loader: Loader): void {
  try {
    loader.limitInstructionSet();
  } catch (error) {
    const problem = firstLine(error);
    const remedies = ["unset GEMLENS_ISA, or set it to one of these"];
    throw new GemlensError("NATIVE_LOAD", problem, { attempts: [], problem, remedies }, error);
  }
}

function open(
  loader: Loader,
  artefacts: string,
  libtorch: LibtorchCandidate,
  core: string,
): { exports: unknown; cudaProblem: string | undefined } {
  const lib = (name: string) => join(libtorch.dir, "lib", name);
  const cpu = [lib("libtorch_cpu.so")];
  const plugin = join(artefacts, "libgemlens_cuda.so");
  if (!libtorch.cuda) {
    return {
      exports: loader.load(cpu, core),
      cudaProblem: "this libtorch has no libtorch_cuda.so",
    };
  }
  // Nothing links libtorch_cuda: opening it is what registers the CUDA kernels.
  const cuda = [lib("libtorch_cuda.so"), ...(existsSync(plugin) ? [plugin] : [])];
  for (const path of cuda) {
    const problem = fileProblem(path);
    if (problem !== undefined) {
      return { exports: loader.load(cpu, core), cudaProblem: `${path} ${problem}` };
    }
  }
  try {
    const exports = loader.load([...cpu, ...cuda], core);
    return {
      exports,
      cudaProblem:
        cuda.length === 2
          ? undefined
          : "libtorch_cuda is loaded, but libgemlens_cuda.so is not built",
    };
  } catch (error) {
    // A CUDA library that will not open must not take the CPU with it.
    if (!cuda.some((path) => firstLine(error).startsWith(`${path}: `))) throw error;
    return { exports: loader.load(cpu, core), cudaProblem: firstLine(error) };
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0] ?? message;
}

function failure(
  attempts: readonly string[],
  minors: readonly string[],
  cause: unknown,
  problem = attempts.at(-1),
) {
  const platform = platformProblem();
  const remedies =
    platform === undefined
      ? [
          "run `npx gemlens setup`: fetches libtorch once, and builds the core where none fits",
          "or set LIBTORCH to a directory that holds include/ and lib/ of a libtorch with a core",
          "`npx gemlens doctor` shows everything that was looked at",
        ]
      : [platform];
  const lines = [
    sentence("load", "libtorch and the core built for it", null, "neither that works"),
    `cores here: ${minors.join(", ") || "none"}. Tried, in order:`,
    ...attempts.map((attempt) => `  - ${attempt}`),
    "To fix it:",
    ...remedies.map((remedy, i) => `  ${i + 1}. ${remedy}`),
  ];
  return new GemlensError(
    "NATIVE_LOAD",
    lines.join("\n"),
    { attempts, problem, cores: minors, remedies },
    cause,
  );
}
