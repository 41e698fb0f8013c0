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

/** The exports of native/loader.c. */
interface Loader {
  load(libs: string[], corePath: string): unknown;
  /** Applies `GEMLENS_ISA` to the libraries opened next; throws if this CPU lacks the instruction set. */
  limitInstructionSet(): void;
}

/** How the addon was loaded, for `doctor`. */
export interface NativeReport {
  /** The folder with gemlens.node and the cores. */
  readonly artefacts: string;
  readonly libtorch: LibtorchCandidate;
  readonly core: string;
  /** Why CUDA is not loaded; undefined if it is. */
  readonly cudaProblem: string | undefined;
  /** Failed attempts, in order. */
  readonly attempts: readonly string[];
}

const require = createRequire(join(packageRoot, "package.json"));

let loaded: { addon: Addon; report: NativeReport } | undefined;

/**
 * Returns the native addon, which the first call loads.
 *
 * @throws GemlensError `NATIVE_LOAD` with every attempt and its remedies
 */
export function loadAddon(): Addon {
  return loadWithReport().addon;
}

/** As `loadAddon`, with a report. */
export function loadWithReport(): { addon: Addon; report: NativeReport } {
  if (loaded === undefined) {
    loaded = load();
    const { addon } = loaded;
    // process.exit() runs no clean-up hook of the main environment. A GPU run would continue while CUDA
    // shuts down, and crash.
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

/** The torch minors that this folder has a core for, newest first. */
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
  // The failure of a pair that exists says more than a missing file.
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
      // A second libtorch in the process would share half of the first one's libraries.
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
  // Nothing links libtorch_cuda, so it has to be opened to register the CUDA kernels.
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
    // The CPU must still work if a CUDA library does not open.
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
          "run `npx gemlens setup`, which fetches libtorch once and builds the core if none fits",
          "or set LIBTORCH to a directory that holds include/ and lib/ of a libtorch with a core",
          "`npx gemlens doctor` shows everything that was tried",
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
