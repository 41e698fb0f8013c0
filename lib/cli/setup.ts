import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { GemlensError } from "../errors/index.js";
import {
  cacheDamage,
  type FetchOptions,
  type FetchProgress,
  fetchLibtorch,
  loadProblem,
} from "../native/fetch-libtorch.js";
import {
  describeCandidate,
  type LibtorchCandidate,
  libtorchCandidates,
  libtorchForBuild,
} from "../native/libtorch.js";
import { coreMinors, findArtefacts } from "../native/load.js";

interface SetupOptions {
  readonly torch?: string;
  readonly archive?: string;
  readonly sha256?: string;
  readonly json?: boolean;
}

/** `gemlens setup`: libtorch found or fetched, and a core that fits it. */
export function register(program: Command): void {
  program
    .command("setup")
    .description("fetch libtorch once into the cache folder, and build the core where none fits")
    .option("--torch <version>", "fetch this version, even where another libtorch is found")
    .option(
      "--archive <file or url>",
      "take this torch wheel or libtorch zip, not the package index",
    )
    .option("--sha256 <hex>", "what the archive must sum up to; with --archive")
    .option("--json", "print the result as JSON")
    .action(setup);
}

async function setup(options: SetupOptions): Promise<void> {
  const { torch, archive, sha256 } = options;
  const wanted = torch !== undefined || archive !== undefined || sha256 !== undefined;
  let dir = wanted ? undefined : await usable();
  if (dir === undefined) {
    const found = wanted ? undefined : libtorchForBuild().found;
    // One in the cache goes the same way: it is looked at, and fetched again where it is damaged.
    const version = found === undefined ? torch : found.version;
    dir =
      found !== undefined && found.source !== "cache"
        ? found.dir
        : await fetchWithProgress({
            ...(version === undefined ? {} : { version }),
            ...(archive === undefined ? {} : { archive }),
            ...(sha256 === undefined ? {} : { sha256 }),
          });
    buildCore(dir);
  }
  const result = { libtorch: dir };
  console.log(options.json ? JSON.stringify(result) : `ready: libtorch ${dir}`);
}

/** Fetches libtorch with progress on stderr; also what `npm install` in a checkout calls. */
export async function fetchWithProgress(options: FetchOptions): Promise<string> {
  const show = progressLine();
  const dir = await fetchLibtorch({ ...options, onProgress: show.update });
  show.end();
  return dir;
}

/** A libtorch that has a core already and loads; one in the cache is mended where it does not. */
async function usable(): Promise<string | undefined> {
  const minors = cores();
  for (const candidate of libtorchCandidates()) {
    if (candidate.problem !== undefined || !minors.includes(candidate.minor ?? "")) continue;
    const damage = await damageOf(candidate);
    console.error(`gemlens: ${describeCandidate(candidate)}${damage ? `: ${damage}` : ""}`);
    if (damage === undefined) return candidate.dir;
    if (candidate.source === "cache" && candidate.version !== undefined) {
      return fetchWithProgress({ version: candidate.version });
    }
  }
  return undefined;
}

async function damageOf({ source, dir }: LibtorchCandidate): Promise<string | undefined> {
  return source === "cache" ? cacheDamage(dirname(dir)) : loadProblem(dir);
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

function buildCore(libtorch: string): void {
  const [candidate] = libtorchCandidates({ ...process.env, LIBTORCH: libtorch });
  if (cores().includes(candidate?.minor ?? "")) return;
  const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
  const script = join(root, "scripts", "build-native.mjs");
  if (!existsSync(script)) {
    throw new GemlensError(
      "NATIVE_LOAD",
      `setup: no core for ${candidate?.minor}, and ${script} is missing`,
    );
  }
  // Beside the other cores, where there are any: they are looked for in one folder.
  const folder = artefacts();
  const out = folder === undefined ? [] : ["--out", folder];
  const run = spawnSync(process.execPath, [script, "--libtorch", libtorch, ...out], {
    stdio: ["ignore", 2, 2],
  });
  if (run.status !== 0) {
    throw new GemlensError(
      "NATIVE_LOAD",
      "setup: the core could not be built; the reason is above",
    );
  }
}

/** One line that rewrites itself on a terminal; elsewhere a line per step and per tenth. */
function progressLine(): { update(progress: FetchProgress): void; end(): void } {
  const live = process.stderr.isTTY;
  let step = "";
  let tenth = 0;
  const update = (progress: FetchProgress) => {
    const { done, total } = progress;
    const isNew = progress.step !== step;
    if (isNew) {
      if (live && step !== "") process.stderr.write("\n");
      if (!live) process.stderr.write(`gemlens: ${progress.step}\n`);
      step = progress.step;
      tenth = 0;
    }
    const megabytes = done === undefined ? "" : ` ${(done / 1e6).toFixed(0)}`;
    const whole = total === undefined ? "" : ` of ${(total / 1e6).toFixed(0)}`;
    const amount = done === undefined ? "" : `:${megabytes}${whole} MB`;
    if (live) {
      process.stderr.write(`\r\x1b[Kgemlens: ${step}${amount}`);
    } else if (
      done !== undefined &&
      total !== undefined &&
      Math.floor((10 * done) / total) > tenth
    ) {
      tenth = Math.floor((10 * done) / total);
      process.stderr.write(`gemlens: ${step}${amount}\n`);
    }
  };
  return { update, end: () => live && step !== "" && process.stderr.write("\n") };
}
