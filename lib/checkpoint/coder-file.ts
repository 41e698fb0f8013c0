import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { GemlensError } from "../errors/index.js";
import { type CoderGuess, guessFromPath } from "./coder-guess.js";
import { firstNotFinite } from "./finite.js";
import { leafWidth, parseGemmaScope2Config } from "./gemma-scope-2-config.js";
import { openNpz } from "./npz.js";
import { refuse, show } from "./refuse.js";
import { readSafetensorsHeader } from "./safetensors.js";
import { configLimits, readStrictJson } from "./strict-json.js";
import type { TensorSource } from "./tensor-source.js";

/** Of one JumpReLU coder: f = pre where pre > max(threshold, 0), else 0; pre = x·W_enc + b_enc. */
export interface CoderParams {
  /** `[dIn, dSae]` */
  readonly W_enc: TensorSource;
  /** `[dSae, dOut]` */
  readonly W_dec: TensorSource;
  /** `[dSae]` */
  readonly b_enc: TensorSource;
  /** `[dOut]` */
  readonly b_dec: TensorSource;
  /** `[dSae]` */
  readonly threshold: TensorSource;
  /** [dIn, dOut], applied as x·A; transcoders with an affine skip connection only. */
  readonly skip?: TensorSource;
}

/** A coder's file, its parameters found and their shapes checked against each other. */
export interface CoderFile {
  /** The format. */
  readonly kind: "npz" | "gemma-scope-2";
  /** Where each parameter lies. */
  readonly params: CoderParams;
  /** Width of what the coder reads. */
  readonly dIn: number;
  /** Width of what it writes. */
  readonly dOut: number;
  /** Number of features. */
  readonly dSae: number;
  /** What the path and config.json tell about where the coder belongs. */
  readonly guess: CoderGuess;
}

/**
 * Opens a published coder: a Gemma Scope 1 `params.npz` (or its folder), or a Gemma Scope 2 folder
 * (config.json + params.safetensors; the safetensors file itself does as well). Of the parameters
 * only the thresholds are read: they must be finite.
 *
 * @throws NOT_FOUND, CHECKPOINT, UNSUPPORTED; each names file and field
 */
export function openCoderFile(path: string): CoderFile {
  const file = paramsFile(path);
  if (!file.endsWith(".safetensors")) {
    return assemble("npz", openNpz(file), file, guessFromPath(file), null);
  }
  const config = join(dirname(file), "config.json");
  const { tensors } = readSafetensorsHeader(file);
  if (!existsSync(config)) return assemble("gemma-scope-2", tensors, file, {}, null);
  const { guess, affine } = parseGemmaScope2Config(readStrictJson(config, configLimits), config);
  const width = leafWidth(dirname(file));
  if (width !== undefined) guess.width = width;
  return assemble("gemma-scope-2", tensors, file, guess, affine);
}

function paramsFile(path: string): string {
  if (!existsSync(path)) {
    throw new GemlensError("NOT_FOUND", `${path}: expected a coder's file or folder, got none`, {
      file: path,
    });
  }
  if (!statSync(path).isDirectory()) {
    if (path.endsWith(".npz") || path.endsWith(".safetensors")) return path;
    return refuse(path, "coder", "params.npz or params.safetensors", show(basename(path)));
  }
  const found = ["params.npz", "params.safetensors"].filter((name) => existsSync(join(path, name)));
  if (found.length !== 1) {
    refuse(path, "coder", "params.npz or params.safetensors", found.join(" and ") || "neither");
  }
  return join(path, found[0] as string);
}

/** Published keys, in upper or lower case, → ours. */
const keys: Readonly<Record<string, keyof CoderParams>> = {
  w_enc: "W_enc",
  w_dec: "W_dec",
  b_enc: "b_enc",
  b_dec: "b_dec",
  threshold: "threshold",
  affine_skip_connection: "skip",
};

function assemble(
  kind: CoderFile["kind"],
  tensors: ReadonlyMap<string, TensorSource>,
  file: string,
  guess: CoderGuess,
  affine: boolean | null,
): CoderFile {
  const found: Partial<Record<keyof CoderParams, TensorSource>> = {};
  for (const [name, source] of tensors) {
    const lower = name.toLowerCase();
    const key = Object.hasOwn(keys, lower) ? keys[lower] : undefined;
    if (!key) return refuse(file, show(name), `one of ${Object.keys(keys).join(" ")}`, "another");
    if (found[key]) refuse(file, name, "each parameter once", "it in two spellings");
    if (!/^b?float/.test(source.dtype)) {
      refuse(file, name, "floating-point elements", source.dtype);
    }
    found[key] = source;
  }
  const need = (key: keyof CoderParams): TensorSource =>
    found[key] ?? refuse(file, key, "the parameter", "none");
  const params: CoderParams = {
    W_enc: need("W_enc"),
    W_dec: need("W_dec"),
    b_enc: need("b_enc"),
    b_dec: need("b_dec"),
    threshold: need("threshold"),
    ...(found.skip && { skip: found.skip }),
  };
  if (affine !== null && affine !== (found.skip !== undefined)) {
    const want = affine ? "a tensor (config.json has affine_connection)" : "none (config.json)";
    refuse(file, "affine_skip_connection", want, affine ? "none" : "a tensor");
  }
  const sizes = checkShapes(params, file, guess);
  // Such a feature would be active never or always, whatever comes in.
  const bad = firstNotFinite(params.threshold);
  if (bad >= 0) refuse(file, "threshold", "finite numbers", `one that is not, of feature ${bad}`);
  return { kind, params, ...sizes, guess };
}

function checkShapes(
  params: CoderParams,
  file: string,
  guess: CoderGuess,
): { dIn: number; dOut: number; dSae: number } {
  const [dIn, dSae] = params.W_enc.shape;
  const dOut = params.W_dec.shape[1];
  if (!dIn || !dSae || !dOut || dSae >= 2 ** 31) {
    const got = show({ W_enc: params.W_enc.shape, W_dec: params.W_dec.shape });
    return refuse(file, "W_enc and W_dec", "[d_in, d_sae] and [d_sae, d_out]", got);
  }
  const want: Record<keyof CoderParams, number[]> = {
    W_enc: [dIn, dSae],
    W_dec: [dSae, dOut],
    b_enc: [dSae],
    b_dec: [dOut],
    threshold: [dSae],
    skip: [dIn, dOut],
  };
  for (const [key, source] of Object.entries(params) as [keyof CoderParams, TensorSource][]) {
    if (show(source.shape) !== show(want[key])) {
      refuse(file, key, `shape ${show(want[key])}`, show(source.shape));
    }
  }
  if (guess.site && guess.site !== "transcoder" && (dIn !== dOut || params.skip)) {
    refuse(file, "W_dec", `a ${guess.site} SAE's [d_sae, ${dIn}]`, show(params.W_dec.shape));
  }
  return { dIn, dOut, dSae };
}
