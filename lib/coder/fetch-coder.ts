import { dirname, join } from "node:path";
import type { CoderEntry } from "../catalogue/coder-entry.js";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { hubFile, hubFiles } from "../hub/hub-file.js";
import { coderSource } from "./coder-source.js";
import type { PretrainedOptions } from "./pretrained-options.js";

/** A published coder whose files are on the disk. */
export interface FetchedCoder {
  /** Its file of parameters, or its folder. */
  readonly path: string;
  readonly entry: CoderEntry | undefined;
}

const loaders: Readonly<Record<CoderEntry["kind"], string>> = {
  sae: "SAE",
  transcoder: "Transcoder",
  crosscoder: "Crosscoder",
  clt: "CrossLayerTranscoder",
};

/**
 * Fetches the files of a coder of one site that are not cached: its parameters, and its config.json if
 * its suite has one. Never a folder: examples.safetensors beside them is larger than the coder.
 *
 * @throws as {@link coderSource} and `hubFile`; ARGUMENT if the catalogue has it as another kind
 */
export async function fetchCoder(
  caller: string,
  kind: CoderEntry["kind"] | undefined,
  release: string,
  id: string,
  options: PretrainedOptions,
): Promise<FetchedCoder> {
  const source = coderSource(caller, release, id);
  if ("folder" in source) return { path: source.folder, entry: undefined };
  const { repo, path, entry } = source;
  if (entry !== undefined && kind !== undefined && entry.kind !== kind) {
    const loader = loaders[entry.kind];
    const got = `a ${entry.kind} (${entry.id}): load it with ${loader}.fromPretrained`;
    throw argument(caller, `a ${kind}`, "id", got, { release, id });
  }
  const { revision } = options;
  const only = (file: string) =>
    hubFile(caller, { repo, revision, path: file }, hubOptions(options));
  const both = async (folder: string) => {
    const paths = [`${folder}/config.json`, `${folder}/params.safetensors`];
    return (await hubFiles(caller, { repo, revision, paths }, hubOptions(options)))[1] as string;
  };
  if (/\.npz$/.test(path)) return { path: await only(path), entry };
  if (/\.safetensors$/.test(path)) return { path: await both(dirname(path)), entry };
  if (entry?.suite === 1) return { path: await only(`${path}/params.npz`), entry };
  if (entry?.suite === 2) return { path: await both(path), entry };
  return { path: await eitherForm(path, only, both), entry };
}

/** Outside the catalogue the files themselves say which suite a folder is laid out like. */
async function eitherForm(
  path: string,
  only: (file: string) => Promise<string>,
  both: (folder: string) => Promise<string>,
): Promise<string> {
  try {
    return await only(join(path, "params.npz"));
  } catch (error) {
    if (!GemlensError.is(error, "NOT_FOUND") || error.fields["problem"] !== "no-file") throw error;
    return both(path);
  }
}

function hubOptions({ cacheDir, offline, token, onProgress, signal }: PretrainedOptions) {
  return { cacheDir, offline, token, onProgress, signal };
}
