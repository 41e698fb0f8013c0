import { openCoderFile } from "../checkpoint/coder-file.js";
import { checkOptions } from "../errors/check-options.js";
import { isTranscoder } from "./coder-config.js";
import { fetchCoder } from "./fetch-coder.js";
import { loadSingleSite } from "./load-single-site.js";
import { type PretrainedOptions, pretrainedKeys } from "./pretrained-options.js";
import { SAE } from "./sae.js";
import type { SingleSiteCoder } from "./single-site-coder.js";
import { Transcoder } from "./transcoder.js";

/**
 * Loads a published coder of whichever kind it is: `SAE.fromPretrained` or `Transcoder.fromPretrained`
 * for code that does not know.
 *
 *     const release = "gemma-scope-2b-pt-res";
 *     for (const { id } of listCoders(release, { layer: 20, width: "16k", l0: 70 })) {
 *       using coder = await loadCoder(release, id);
 *       console.log(coder);
 *     }
 *
 * @throws as `SAE.fromPretrained`
 */
export async function loadCoder(
  release: string,
  id: string,
  options: PretrainedOptions = {},
): Promise<SingleSiteCoder> {
  const caller = "loadCoder";
  checkOptions(caller, options, pretrainedKeys);
  const { path, entry } = await fetchCoder(caller, undefined, release, id, options);
  const { device, dtype, signal } = options;
  const transcodes =
    entry === undefined ? isTranscoder(openCoderFile(path)) : entry.kind === "transcoder";
  const kind = transcodes ? "Transcoder" : "SAE";
  const loaded = await loadSingleSite(caller, kind, path, { device, dtype, signal }, entry);
  return transcodes ? Transcoder.of(loaded) : SAE.of(loaded);
}
