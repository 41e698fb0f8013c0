import { argument, checkOptions } from "../errors/check-options.js";
import type { CoderHandle, NativeTensorSource } from "../native/addon.js";
import { call, task } from "../native/call.js";
import { type CoderConfig, planCoder, type TranscoderFileOptions } from "./coder-config.js";

const dtypes = ["auto", "float32", "bfloat16", "float16"];

/** Opens a coder's file, checks the options, and loads its parameters. */
export async function loadCoder(
  kind: "SAE" | "Transcoder",
  path: string,
  options: TranscoderFileOptions,
): Promise<{ handle: CoderHandle; cfg: CoderConfig }> {
  const what = `${kind}.fromFile`;
  const known = ["hookName", "device", "dtype", "signal"];
  checkOptions(what, options, kind === "SAE" ? known : [...known, "hookNameOut"]);
  if (typeof path !== "string") throw argument(what, "a string", "path", typeof path);
  const { device = "cpu", dtype = "auto", signal } = options;
  if (!dtypes.includes(dtype)) throw argument(what, `one of ${dtypes.join(", ")}`, "dtype", dtype);
  signal?.throwIfAborted();
  const { file, ...plan } = planCoder(kind, path, options);
  const params = file.params;
  // The published embedding coders were trained on unscaled embeddings; hook_embed is times √d.
  // SAELens trains on the hook's own values.
  const unscaled = plan.hookName === "hook_embed" && file.kind !== "sae-lens";
  const scale = unscaled ? Math.sqrt(plan.dIn) : 1;
  const wanted = dtype === "auto" ? (file.wantedDtype ?? "auto") : dtype;
  const handle = await task(
    what,
    (addon, ctx) =>
      addon.coderLoad(
        // Element types were checked to be floating by openCoderFile.
        params as Readonly<Record<keyof typeof params, NativeTensorSource>>,
        {
          encoderScale: 1 / scale,
          decoderScale: scale,
          subtractsBDec: file.applyBDecToInput,
          transposeSkip: file.kind === "sae-lens",
        },
        { device, dtype: wanted },
        ctx,
      ),
    { signal },
  );
  return { handle, cfg: { ...plan, ...placeOf(what, handle) } };
}

function placeOf(what: string, handle: CoderHandle): Pick<CoderConfig, "dtype" | "device"> {
  return call(what, (addon) => {
    const weight = addon.coderParameter(handle, "W_enc");
    try {
      return { dtype: addon.tensorDtype(weight), device: addon.tensorDevice(weight) };
    } finally {
      addon.dispose(weight);
    }
  });
}
