import type { HubReadOptions } from "../hub/hub-options.js";
import type { CoderDtype } from "./coder-config.js";

/** Options for `fromPretrained` of a coder, and for `loadCoder`. */
export interface PretrainedOptions extends HubReadOptions {
  /** "cpu" (default) or "cuda", "cuda:1". */
  readonly device?: string | undefined;
  /** Default "auto": the file's own. */
  readonly dtype?: CoderDtype | undefined;
  /** A branch, tag or commit of the repository. Default "main". */
  readonly revision?: string | undefined;
}

/** The names of these options. */
export const pretrainedKeys = [
  "device",
  "dtype",
  "revision",
  "cacheDir",
  "offline",
  "token",
  "onProgress",
  "signal",
] as const;
