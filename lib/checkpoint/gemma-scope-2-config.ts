import { basename } from "node:path";
import { z } from "zod";
import { show } from "../errors/show-value.js";
import type { CoderSite, Draft } from "./coder-guess.js";
import { refuse, refuseInvalid, unsupported } from "./refuse.js";

const schema = z.looseObject({
  hf_hook_point_in: z.string(),
  hf_hook_point_out: z.string().nullish(),
  architecture: z.string(),
  type: z.string().nullish(),
  model_name: z.string().nullish(),
  width: z.int().min(1).nullish(),
  l0: z.number().min(0).nullish(),
  affine_connection: z.boolean().nullish(),
});

/** A parsed Gemma Scope 2 config.json. */
export interface GemmaScope2Config {
  readonly guess: Draft;
  /** Whether the coder has an affine skip connection; null if config.json does not say. */
  readonly affine: boolean | null;
}

/** Hugging Face module paths (after `layers.L.`) → our hook and site. */
export const hookPoints: Readonly<Record<string, { site: CoderSite; hook: string }>> = {
  output: { site: "resid_post", hook: "hook_resid_post" },
  "self_attn.o_proj.input": { site: "attn_z", hook: "attn.hook_z" },
  "post_feedforward_layernorm.output": { site: "mlp_out", hook: "hook_mlp_out" },
  // with the norm's gain, unlike the transcoders of Gemma Scope 1
  "pre_feedforward_layernorm.output": { site: "transcoder", hook: "mlp.hook_in" },
};

/** The other way round: what follows `layers.L.` for our point. */
export const publishedModules: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(hookPoints).map(([module, { hook }]) => [hook, module]),
);

function parseHook(
  point: string,
  key: string,
  file: string,
): { site: CoderSite; layer: number; hookName: string } {
  const match = /(?:^|\.)layers\.(\d{1,4})\.(.+)$/.exec(point);
  const known =
    match && Object.hasOwn(hookPoints, match[2] ?? "") ? hookPoints[match[2] ?? ""] : null;
  if (!match || !known) {
    return unsupported(file, key, "a hook point of Gemma Scope 2's four sites", show(point));
  }
  const layer = Number(match[1]);
  return { site: known.site, layer, hookName: `blocks.${layer}.${known.hook}` };
}

/**
 * Checks a Gemma Scope 2 config.json and maps its hook points to ours.
 *
 * @throws CHECKPOINT if a value is wrong; UNSUPPORTED if it is another architecture or hook point, or a
 *   coder of several layers (crosscoders, cross-layer transcoders); both name the key
 */
export function parseGemmaScope2Config(json: unknown, file: string): GemmaScope2Config {
  const parsed = schema.safeParse(json);
  if (!parsed.success) return refuseInvalid(file, parsed.error, "config");
  const { data } = parsed;
  if (data.architecture !== "jump_relu") {
    unsupported(file, "architecture", '"jump_relu"', show(data.architecture));
  }
  const type = data.type ?? "sae";
  if (type !== "sae" && type !== "transcoder") {
    unsupported(file, "type", '"sae" or "transcoder"', show(type));
  }
  const input = parseHook(data.hf_hook_point_in, "hf_hook_point_in", file);
  const output = data.hf_hook_point_out
    ? parseHook(data.hf_hook_point_out, "hf_hook_point_out", file)
    : input;
  const transcodes = output.hookName !== input.hookName;
  if (data.type && transcodes !== (type === "transcoder")) {
    refuse(file, "type", transcodes ? "transcoder (its hooks differ)" : "sae (one hook)", type);
  }
  if (!transcodes && input.site === "transcoder") {
    refuse(file, "hf_hook_point_out", "the transcoder's output", show(data.hf_hook_point_out));
  }
  const guess: Draft = {
    suite: "gemma-scope-2",
    site: transcodes ? "transcoder" : input.site,
    layer: input.layer,
    hookName: input.hookName,
  };
  if (transcodes) guess.hookNameOut = output.hookName;
  if (data.l0 != null) guess.l0 = data.l0;
  if (data.model_name) guess.modelName = modelNameOf(data.model_name);
  return { guess, affine: data.affine_connection ?? null };
}

/** `gemma-3-4b-pt` for `google/gemma-3-4b-pt`. The published 270m base model has no `-pt`. */
export function modelNameOf(published: string): string {
  const name = basename(published).replace("gemma-v3", "gemma-3");
  return name === "gemma-3-270m-pt" ? "gemma-3-270m" : name;
}

/** The width in a leaf folder's name, `layer_{L}_width_{W}_l0_{small|medium|big}…`. */
export function leafWidth(folder: string): string | undefined {
  return /^layer_\d+_width_(\w+?)_l0_/.exec(basename(folder))?.[1];
}
