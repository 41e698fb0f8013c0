import { basename } from "node:path";
import { z } from "zod";
import { show } from "../errors/show-value.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import type { CoderSite, Draft } from "./coder-guess.js";
import { refuse, refuseInvalid, unsupported } from "./refuse.js";

const index = z.int().nullish();
const text = z.string().nullish();
// Version 6 moved these keys under `metadata`; older versions have them at the top.
const movedKeys = {
  hook_name: text,
  hook_point: text,
  hook_name_out: text,
  hook_head_index: index,
  hook_point_head_index: index,
  hook_head_index_out: index,
  model_name: text,
};
const schema = z.looseObject({
  ...movedKeys,
  architecture: z.string().optional(),
  d_in: z.int().min(1),
  d_sae: z.int().min(1),
  d_out: z.int().min(1).optional(),
  dtype: z.string().optional(),
  apply_b_dec_to_input: z.boolean().optional(),
  normalize_activations: z.union([z.string(), z.boolean()]).nullish(),
  reshape_activations: text,
  activation_fn: text,
  activation_fn_str: text,
  metadata: z.looseObject(movedKeys).nullish(),
});

/** A parsed cfg.json of SAELens. */
export interface SaeLensConfig {
  readonly guess: Draft;
  readonly dIn: number;
  readonly dOut: number;
  readonly dSae: number;
  /** Whether the encoder reads x − b_dec. */
  readonly subtractsBDec: boolean;
  readonly skip: boolean;
  /** Whether the activation is a plain ReLU, without thresholds. */
  readonly relu: boolean;
  /** The type that SAELens converts the weights to. */
  readonly dtype: "float32" | "bfloat16" | "float16" | null;
}

/** The properties of each architecture. "standard" and the plain transcoders have a ReLU. */
const architectures: Readonly<
  Record<string, { readonly relu: boolean; readonly transcodes: boolean; readonly skip: boolean }>
> = {
  standard: { relu: true, transcodes: false, skip: false },
  jumprelu: { relu: false, transcodes: false, skip: false },
  transcoder: { relu: true, transcodes: true, skip: false },
  skip_transcoder: { relu: true, transcodes: true, skip: true },
  jumprelu_transcoder: { relu: false, transcodes: true, skip: false },
  jumprelu_skip_transcoder: { relu: false, transcodes: true, skip: true },
};
const dtypes = new Map([
  ["float64", "float32"], // All of our readers convert float64.
  ["float32", "float32"],
  ["bfloat16", "bfloat16"],
  ["float16", "float16"],
] as const);
const sites: ReadonlyMap<string, CoderSite> = new Map([
  ["hook_resid_post", "resid_post"],
  ["hook_mlp_out", "mlp_out"],
  ["attn.hook_z", "attn_z"],
]);

/**
 * Parses the cfg.json that SAELens (3 to 6) writes next to sae_weights.safetensors. Keys that SAELens'
 * inference does not read are ignored; an omitted key takes SAELens' default.
 *
 * @throws CHECKPOINT if a value is wrong; UNSUPPORTED if gemlens does not compute it; both name the key
 */
export function parseSaeLensConfig(json: unknown, file: string): SaeLensConfig {
  const parsed = schema.safeParse(json);
  if (!parsed.success) return refuseInvalid(file, parsed.error, "cfg.json");
  const { data } = parsed;
  const merged = { ...data, ...data.metadata };
  const architecture = data.architecture ?? "standard"; // Versions before 3 had no other.
  const known = Object.hasOwn(architectures, architecture)
    ? architectures[architecture]
    : undefined;
  if (known === undefined) {
    const names = Object.keys(architectures).join(", ");
    return unsupported(file, "architecture", `one of ${names}`, show(architecture));
  }
  const { relu, transcodes, skip } = known;
  checkActivations(data, file);
  const hook = merged.hook_name ?? merged.hook_point ?? undefined;
  const reshape = data.reshape_activations ?? "none";
  if (reshape !== "none" && !(reshape === "hook_z" && (hook === undefined || /_z$/.test(hook)))) {
    unsupported(file, "reshape_activations", '"none", or "hook_z" at a hook_z', show(reshape));
  }
  for (const key of ["hook_head_index", "hook_point_head_index", "hook_head_index_out"] as const) {
    if (merged[key] != null) unsupported(file, key, "none (all heads)", merged[key]);
  }
  // A transcoder's b_dec has the output's width, so SAELens refuses true and never subtracts it.
  if (transcodes && data.apply_b_dec_to_input) {
    unsupported(file, "apply_b_dec_to_input", "false for a transcoder", true);
  }
  const dtype = data.dtype === undefined ? null : dtypeOf(data.dtype, file);
  if (!transcodes && data.d_out !== undefined && data.d_out !== data.d_in) {
    refuse(file, "d_out", `${data.d_in} (d_in) for an SAE`, data.d_out);
  }
  if (transcodes && data.d_out === undefined) refuse(file, "d_out", "a number", "none");
  return {
    guess: guessOf(hook, merged.hook_name_out ?? undefined, merged.model_name, transcodes),
    dIn: data.d_in,
    dOut: data.d_out ?? data.d_in,
    dSae: data.d_sae,
    subtractsBDec: !transcodes && (data.apply_b_dec_to_input ?? true),
    skip,
    relu,
    dtype,
  };
}

function checkActivations(data: z.infer<typeof schema>, file: string): void {
  const normalize = data.normalize_activations ?? "none";
  if (normalize !== "none" && normalize !== false) {
    unsupported(file, "normalize_activations", '"none"', show(normalize));
  }
  for (const key of ["activation_fn", "activation_fn_str"] as const) {
    const name = data[key] ?? "relu";
    if (name !== "relu") unsupported(file, key, '"relu"', show(name));
  }
}

function dtypeOf(name: string, file: string): SaeLensConfig["dtype"] {
  const known = dtypes.get(name.replace(/^torch\./, "") as "float32");
  return known ?? refuse(file, "dtype", `one of ${[...dtypes.keys()].join(", ")}`, show(name));
}

function guessOf(
  hook: string | undefined,
  hookOut: string | undefined,
  model: string | null | undefined,
  transcodes: boolean,
): Draft {
  const guess: Draft = {};
  const name = hook !== undefined && isOurs(hook) ? hook : undefined;
  const { layer, point } = parseHookName(name ?? "");
  if (name !== undefined) guess.hookName = name;
  if (layer !== null) guess.layer = layer;
  const site = transcodes ? "transcoder" : sites.get(point);
  if (site !== undefined) guess.site = site;
  if (transcodes && hookOut !== undefined && isOurs(hookOut)) guess.hookNameOut = hookOut;
  if (model) guess.modelName = basename(model);
  return guess;
}

/** Whether a hook has one of our names. Newer versions may write a module of transformers instead. */
function isOurs(hook: string): boolean {
  const { layer } = parseHookName(hook);
  return hook === "hook_embed" || (layer !== null && layer < 10_000);
}
