import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { fileSum } from "../fetch/checksum.js";
import { httpDownload, type OnBytes } from "../fetch/http-download.js";
import { caller } from "./caller.js";
import type { FetchProgress } from "./fetch-progress.js";
import { findPip, pipDownload } from "./pip-download.js";

const cpuIndex = "https://download.pytorch.org/whl/cpu";

// Sums of the archives that are fetched without pip; pip checks its index's sums itself. A version that
// is missing here is checked by the zip's CRCs alone.
const knownSums: Readonly<Record<string, string>> = {
  "2.13.0": "edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e",
};

/** Options for `torchArchive`. */
export interface ArchiveRequest {
  readonly version: string;
  /** A URL or a file, instead of the package index. */
  readonly archive?: string | undefined;
  /** Its SHA-256, in hex. */
  readonly sha256?: string | undefined;
}

type OnProgress = (progress: FetchProgress) => void;

/**
 * Returns the archive to unpack torch from: the given file, or else one fetched into `folder`, where it
 * stays for the next attempt.
 *
 * @throws GemlensError `DOWNLOAD`, `ARGUMENT`
 */
export async function torchArchive(
  request: ArchiveRequest,
  folder: string,
  progress: OnProgress,
): Promise<string> {
  const { version, archive, sha256 } = request;
  if (archive !== undefined && !/^https?:/.test(archive)) {
    checkReadable(archive);
    await checkSum(archive, sha256, progress);
    return resolve(archive);
  }
  const pip = archive === undefined ? findPip() : undefined;
  if (pip !== undefined) return fetchWheel(pip, version, folder, progress);
  const url = archive ?? libtorchArchive(version);
  const expected = sha256 ?? (url === libtorchArchive(version) ? knownSums[version] : undefined);
  const file = join(folder, `${createHash("sha256").update(url).digest("hex").slice(0, 12)}.zip`);
  if (!existsSync(file)) await httpDownload(caller, url, file, bytes(progress, `fetching ${url}`));
  try {
    await checkSum(file, expected, progress);
  } catch (error) {
    // Remove it, so that the next attempt fetches it again.
    rmSync(file, { force: true });
    throw error;
  }
  return file;
}

function checkReadable(archive: string): void {
  const wrong = (got: string, cause?: unknown) =>
    new GemlensError(
      "ARGUMENT",
      sentence("setup", "a file that can be read or a URL", null, got),
      { archive },
      cause,
    );
  if (!existsSync(archive)) throw wrong(archive);
  if (!statSync(archive).isFile()) throw wrong(`${archive}, which is not a file`);
  try {
    accessSync(archive, constants.R_OK);
  } catch (error) {
    throw wrong(`${archive}, which this user may not read`, error);
  }
}

async function checkSum(file: string, expected: string | undefined, progress: OnProgress) {
  if (expected === undefined) return;
  progress({ step: `checking ${basename(file)}` });
  const got = await fileSum(file);
  if (got === expected.toLowerCase()) return;
  throw new GemlensError(
    "DOWNLOAD",
    sentence("setup", `SHA-256 ${expected} of ${file}`, null, got),
    {
      file,
      expected,
      got,
    },
  );
}

async function fetchWheel(
  pip: readonly string[],
  version: string,
  folder: string,
  progress: OnProgress,
): Promise<string> {
  const wheel = () => readdirSync(folder).find((name) => name.startsWith(`torch-${version}`));
  if (wheel() === undefined) {
    const requirement = [`torch==${version}`];
    const cpu = {
      index: cpuIndex,
      onBytes: bytes(progress, `fetching torch ${version} (CPU build)`),
    };
    try {
      progress({ step: `looking for torch ${version} in PyTorch's CPU index` });
      await pipDownload(pip, requirement, folder, { ...cpu, quick: true });
    } catch (error) {
      // Ask another index only if this one does not answer or lacks the version. Retry one whose
      // download broke off, with longer timeouts.
      if (GemlensError.is(error) && error.fields["started"] === true) {
        if (error.fields["unreachable"] !== true) throw error;
        progress({ step: `fetching torch ${version} (CPU build) once more` });
        await pipDownload(pip, requirement, folder, cpu);
      } else {
        progress({ step: `fetching torch ${version} from the default package index` });
        const onBytes = bytes(progress, `fetching torch ${version}`);
        await pipDownload(pip, requirement, folder, { onBytes });
      }
    }
  }
  return join(folder, wheel() as string);
}

function bytes(progress: OnProgress, step: string): OnBytes {
  return (done, total) => progress({ step, done, total });
}

function libtorchArchive(version: string): string {
  const name = `libtorch-shared-with-deps-${version}%2Bcpu.zip`;
  return `https://download.pytorch.org/libtorch/cpu/${name}`;
}
