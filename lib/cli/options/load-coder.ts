import { openCoderFile } from "../../checkpoint/coder-file.js";
import { isTranscoder } from "../../coder/coder-config.js";
import { SAE } from "../../coder/sae.js";
import { Transcoder } from "../../coder/transcoder.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";

/** Options for `loadCoder`. */
interface LoadCoderOptions {
  readonly device: string;
  /** The hook that the coder reads, if its path does not imply it. */
  readonly hook?: string | undefined;
  /** The hook that a transcoder rebuilds, if its path does not imply it. */
  readonly hookOut?: string | undefined;
}

/**
 * Loads the SAE or transcoder in a file or folder.
 *
 * @throws ARGUMENT if it is an SAE whose hook is neither given nor implied by its path
 */
export async function loadCoder(
  caller: string,
  path: string,
  { device, hook, hookOut }: LoadCoderOptions,
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
        `none: it can't be inferred from ${path}`,
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
