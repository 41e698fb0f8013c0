import { openCoderFile } from "../../checkpoint/coder-file.js";
import { isTranscoder } from "../../coder/coder-config.js";
import { SAE } from "../../coder/sae.js";
import { Transcoder } from "../../coder/transcoder.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";

export interface CoderPlace {
  readonly device: string;
  /** The hook that it reads, where its path does not tell it. */
  readonly hook?: string | undefined;
  /** The hook that a transcoder rebuilds, likewise. */
  readonly hookOut?: string | undefined;
}

/** Loads an SAE or a transcoder, whichever the file is. */
export async function loadCoder(
  caller: string,
  path: string,
  { device, hook, hookOut }: CoderPlace,
): Promise<SAE | Transcoder> {
  const file = openCoderFile(path);
  const transcodes = hookOut !== undefined || isTranscoder(file);
  const options = { device, ...(hook !== undefined && { hookName: hook }) };
  if (!transcodes && hook === undefined && file.guess.hookName === undefined) {
    throw new GemlensError(
      "ARGUMENT",
      sentence(
        caller,
        "--hook, the hook that the SAE reads",
        null,
        `none, and ${path} does not tell it`,
      ),
      { path },
    );
  }
  return transcodes
    ? Transcoder.fromFile(path, {
        ...options,
        ...(hookOut !== undefined && { hookNameOut: hookOut }),
      })
    : SAE.fromFile(path, options);
}
