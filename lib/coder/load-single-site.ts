import type { CoderEntry } from "../catalogue/coder-entry.js";
import type { CoderFile } from "../checkpoint/coder-file.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { planCoder, type SingleSiteConfig, type TranscoderFileOptions } from "./coder-config.js";
import { type CoderLayout, type LoadedCoder, loadLayout } from "./coder-layout.js";

const dtypes = ["auto", "float32", "bfloat16", "float16"];

/** Checks the options, opens the file of a coder of one site, and loads its parameters. `entry`: its entry of the catalogue. */
export async function loadSingleSite(
  caller: string,
  kind: "SAE" | "Transcoder",
  path: string,
  options: TranscoderFileOptions,
  entry?: CoderEntry,
): Promise<LoadedCoder<SingleSiteConfig>> {
  const known = ["hookName", "device", "dtype", "signal"];
  checkOptions(caller, options, kind === "SAE" ? known : [...known, "hookNameOut"]);
  if (typeof path !== "string") throw argument(caller, "a string", "path", typeof path);
  const { device = "cpu", dtype = "auto", signal } = options;
  if (!dtypes.includes(dtype))
    throw argument(caller, `one of ${dtypes.join(", ")}`, "dtype", dtype);
  signal?.throwIfAborted();
  const { file, ...cfg } = planCoder(caller, kind, path, options, entry);
  const wanted = dtype === "auto" ? (file.wantedDtype ?? "auto") : dtype;
  return loadLayout(caller, layoutOf(file, cfg), { device, dtype: wanted, signal });
}

function layoutOf(
  file: CoderFile,
  cfg: CoderLayout<SingleSiteConfig>["cfg"],
): CoderLayout<SingleSiteConfig> {
  const { b_dec, skip, ...encoder } = file.params;
  // The published embedding coders were trained on unscaled embeddings, and hook_embed is scaled by
  // √d. SAELens trains on the values of the hook.
  const unscaled = cfg.hookName === "hook_embed" && file.kind !== "sae-lens";
  return {
    cfg,
    encoders: [{ ...encoder, writesAt: [0] }],
    decoders: [{ b_dec, ...(skip !== undefined && { skip: { A: skip, read: 0 } }) }],
    files: [file.file],
    encoderScale: unscaled ? Math.sqrt(cfg.dIn) : 1,
    transposeSkip: file.kind === "sae-lens",
  };
}
