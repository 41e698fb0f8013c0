import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { GemlensError } from "../../errors/gemlens-error.js";
import {
  defaultTorchVersion,
  describeCandidate,
  type LibtorchCandidate,
  libtorchCandidates,
  libtorchForBuild,
} from "../../native/libtorch.js";
import { coreMinors, findArtefacts } from "../../native/load.js";
import { packageRoot } from "../../native/package-root.js";
import { jsonText, printable } from "../../report/token-text.js";
import { type FetchOptions, fetchLibtorch } from "../../setup/fetch-libtorch.js";
import { coreLoadProblem, loadProblem } from "../../setup/try-loading.js";
import { fetchProgress } from "../print/fetch-progress.js";
import { say } from "../print/output.js";
import { note } from "../print/terminal.js";

interface SetupOptions {
  readonly torch?: string;
  readonly archive?: string;
  readonly sha256?: string;
  readonly json?: boolean;
}

/** `gemlens setup`: finds or fetches libtorch, and builds a core for it if none is there. */
export function register(program: Command): void {
  program
    .command("setup")
    .description("fetch libtorch once into the cache folder, and build the core if none fits")
    .option("--torch <version>", "fetch this version, even if another libtorch is found")
    .option(
      "--archive <file or url>",
      "use this torch wheel or libtorch zip instead of the package index",
    )
    .option("--sha256 <hex>", "the SHA-256 that the archive must have; with --archive")
    .option("--json", "print the result as JSON")
    .action(setup);
}

async function setup(options: SetupOptions): Promise<void> {
  const { torch, archive, sha256 } = options;
  const wanted = torch !== undefined || archive !== undefined || sha256 !== undefined;
  const dir = wanted
    ? await fetchWithProgress({
        ...(torch === undefined ? {} : { version: torch }),
        ...(archive === undefined ? {} : { archive }),
        ...(sha256 === undefined ? {} : { sha256 }),
      })
    : ((await usable()) ?? (await found()) ?? (await fetchWithProgress({})));
  makeCore(dir);
  const first = firstWithCore();
  if (first !== undefined && first.dir !== dir) {
    note(
      `${describeCandidate(first)} comes first when loading; set LIBTORCH=${dir} to use this one`,
    );
  }
  const result = { libtorch: dir };
  say(options.json ? jsonText(result) : printable(`ready: libtorch ${dir}`));
}

/** Fetches libtorch with progress on stderr. `npm install` in a clone calls this too. */
export async function fetchWithProgress(options: FetchOptions): Promise<string> {
  const show = fetchProgress();
  try {
    return await fetchLibtorch({ ...options, onProgress: show.update });
  } finally {
    show.end();
  }
}

/** The first libtorch that has a core and loads. A damaged one in the cache is fetched again. */
async function usable(): Promise<string | undefined> {
  const minors = cores();
  for (const candidate of libtorchCandidates()) {
    if (!minors.includes(candidate.minor ?? "")) continue;
    const { source, version, dir } = candidate;
    // This verifies every checksum, and fetches libtorch again if one differs.
    if (source === "cache") return fetchWithProgress(version === undefined ? {} : { version });
    const problem = candidate.problem ?? loadProblem(dir);
    note(`${describeCandidate(candidate)}${problem ? `: ${problem}` : ""}`);
    if (problem === undefined) return dir;
  }
  return undefined;
}

/**
 * A libtorch to build a core for. Building is preferred to fetching if LIBTORCH names it, or if the
 * libtorch that would be fetched has no core either.
 */
async function found(): Promise<string | undefined> {
  const { found } = libtorchForBuild();
  if (found === undefined || (found.source !== "LIBTORCH" && hasDefaultCore())) return undefined;
  if (found.source !== "cache" || found.version === undefined) return found.dir;
  return fetchWithProgress({ version: found.version });
}

function hasDefaultCore(): boolean {
  return cores().some((minor) => defaultTorchVersion.startsWith(`${minor}.`));
}

function firstWithCore(): LibtorchCandidate | undefined {
  const minors = cores();
  for (const candidate of libtorchCandidates()) {
    if (candidate.problem === undefined && minors.includes(candidate.minor ?? "")) return candidate;
  }
  return undefined;
}

function artefacts(): string | undefined {
  try {
    return findArtefacts();
  } catch {
    return undefined;
  }
}

function cores(): string[] {
  const folder = artefacts();
  return folder === undefined ? [] : coreMinors(folder);
}

/** Builds the core for a libtorch if it is missing or does not load. */
function makeCore(libtorch: string): void {
  const [candidate] = libtorchCandidates({ ...process.env, LIBTORCH: libtorch });
  const minor = candidate?.minor ?? "";
  if (cores().includes(minor)) {
    const problem = coreLoadProblem(libtorch);
    if (problem === undefined) return;
    note(`${problem}: building the core again`);
    buildCore(libtorch, minor, "installing gemlens again brings back a core that came with it");
  } else {
    const other =
      hasDefaultCore() &&
      `\`npx gemlens setup --torch ${defaultTorchVersion}\` takes one with a core`;
    buildCore(libtorch, minor, other || undefined);
  }
  const problem = coreLoadProblem(libtorch);
  if (problem === undefined) return;
  throw new GemlensError("NATIVE_LOAD", `setup: the core was built and does not load: ${problem}`);
}

function buildCore(libtorch: string, minor: string, hint: string | undefined): void {
  const script = join(packageRoot, "scripts", "build-native.mjs");
  if (!existsSync(script)) {
    throw new GemlensError("NATIVE_LOAD", `setup: no core for ${minor}, and ${script} is missing`);
  }
  // All cores are looked for in one folder, so the new one joins any that are there.
  const folder = artefacts();
  const out = folder === undefined ? [] : ["--out", folder];
  const run = spawnSync(process.execPath, [script, "--libtorch", libtorch, ...out], {
    stdio: ["ignore", 2, 2],
  });
  if (run.status === 0) return;
  const remedy = hint === undefined ? "" : `; ${hint}`;
  throw new GemlensError(
    "NATIVE_LOAD",
    `setup: the core for libtorch ${minor} could not be built, the reason is above${remedy}`,
  );
}
