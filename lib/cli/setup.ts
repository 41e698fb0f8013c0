import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { GemlensError } from "../errors/index.js";
import { type FetchOptions, type FetchProgress, fetchLibtorch } from "../native/fetch-libtorch.js";
import { describeCandidate, libtorchCandidates, libtorchForBuild } from "../native/libtorch.js";
import { coreMinors, findArtefacts } from "../native/load.js";

interface SetupOptions {
  readonly torch?: string;
  readonly archive?: string;
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
    .option("--json", "print the result as JSON")
    .action(setup);
}

async function setup(options: SetupOptions): Promise<void> {
  const wanted = options.torch !== undefined || options.archive !== undefined;
  let dir = wanted ? undefined : usable();
  if (dir === undefined) {
    const found = wanted ? undefined : libtorchForBuild().found;
    dir =
      found?.dir ??
      (await fetchWithProgress({
        ...(options.torch === undefined ? {} : { version: options.torch }),
        ...(options.archive === undefined ? {} : { archive: options.archive }),
      }));
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

/** A libtorch that has a core already. */
function usable(): string | undefined {
  const minors = cores();
  for (const candidate of libtorchCandidates()) {
    if (candidate.problem === undefined && minors.includes(candidate.minor ?? "")) {
      console.error(`gemlens: ${describeCandidate(candidate)}`);
      return candidate.dir;
    }
  }
  return undefined;
}

function cores(): string[] {
  try {
    return coreMinors(findArtefacts());
  } catch {
    return [];
  }
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
  const run = spawnSync(process.execPath, [script, "--libtorch", libtorch], {
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
