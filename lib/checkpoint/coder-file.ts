import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { show } from "../errors/show-value.js";
import { type CoderGuess, guessFromPath } from "./coder-guess.js";
import { firstNotFinite, readFloats } from "./finite.js";
import { leafWidth, parseGemmaScope2Config } from "./gemma-scope-2-config.js";
import { openNpz } from "./npz.js";
import { danglingLink, isPresent, whatItIs } from "./other-format.js";
import { refuse, unsupported } from "./refuse.js";
import { parseSaeLensConfig, type SaeLensConfig } from "./sae-lens-config.js";
import { readSafetensorsHeader } from "./safetensors.js";
import { configLimits, readStrictJson } from "./strict-json.js";
import type { TensorSource } from "./tensor-source.js";

/**
 * The parameters of a coder: f = pre where pre > max(threshold, 0), else 0; pre = x·W_enc + b_enc, with
 * x − b_dec in place of x if `applyBDecToInput`.
 */
export interface CoderParams {
  /** `[dIn, dSae]` */
  readonly W_enc: TensorSource;
  /** `[dSae, dOut]` */
  readonly W_dec: TensorSource;
  /** `[dSae]` */
  readonly b_enc: TensorSource;
  /** `[dOut]` */
  readonly b_dec: TensorSource;
  /** `[dSae]`; absent for a plain ReLU coder, whose thresholds are 0. */
  readonly threshold?: TensorSource;
  /**
   * [dIn, dOut], applied as x·A; only transcoders with an affine skip connection have it. SAELens stores
   * it as [dOut, dIn].
   */
  readonly skip?: TensorSource;
}

/** A coder's file with its parameters, whose shapes fit each other. */
export interface CoderFile {
  /** The format: Gemma Scope 1's, Gemma Scope 2's or SAELens'. */
  readonly kind: "npz" | "gemma-scope-2" | "sae-lens";
  /** The file of the parameters. */
  readonly file: string;
  /** The parameters' positions in the file. */
  readonly params: CoderParams;
  /** Width of its input. */
  readonly dIn: number;
  /** Width of its output. */
  readonly dOut: number;
  /** Number of features. */
  readonly dSae: number;
  /** Whether the encoder reads x − b_dec (only SAELens has such coders). */
  readonly applyBDecToInput: boolean;
  /** The element type that its configuration requests for the parameters; null: the file's own. */
  readonly wantedDtype: "float32" | "bfloat16" | "float16" | null;
  /** Metadata inferred from the path and the configuration. */
  readonly guess: CoderGuess;
}

/** The facts about a coder that do not come from its tensors. */
interface Known {
  readonly kind: CoderFile["kind"];
  readonly guess: CoderGuess;
  /** Whether it has a skip connection; null: the tensors decide. */
  readonly skip?: boolean | null;
  readonly lens?: SaeLensConfig;
}

/**
 * Opens a published coder: a Gemma Scope 1 `params.npz` (or its folder), a Gemma Scope 2 folder
 * (config.json + params.safetensors) or a SAELens folder (cfg.json + sae_weights.safetensors). A path to
 * the safetensors file works too if its configuration is in the same folder. It reads no parameter but
 * the thresholds, which must be finite.
 *
 * @throws NOT_FOUND, CHECKPOINT, UNSUPPORTED; each names file and field
 */
export function openCoderFile(path: string): CoderFile {
  const file = paramsFile(path);
  if (!file.endsWith(".safetensors")) {
    return assemble({ kind: "npz", guess: guessFromPath(file) }, openNpz(file), file);
  }
  const { tensors } = readSafetensorsHeader(file);
  const known = isSaeLens(file) ? readSaeLens(file) : readGemmaScope2(file, tensors);
  return assemble(known, tensors, file);
}

const lensWeights = "sae_weights.safetensors";
const scopeWeights = "params.safetensors";

/** Decides by the file's name, else by the configuration in its folder: the tensors have the same names. */
function isSaeLens(file: string): boolean {
  const name = basename(file);
  if (name === lensWeights || name === scopeWeights) return name === lensWeights;
  const [lens, scope] = ["cfg.json", "config.json"].map((other) =>
    isPresent(join(dirname(file), other)),
  );
  if (lens && scope) {
    refuse(
      file,
      "format",
      `the name ${scopeWeights} or ${lensWeights}`,
      "both cfg.json and config.json",
    );
  }
  return lens === true;
}

function readSaeLens(file: string): Known {
  const config = join(dirname(file), "cfg.json");
  if (!isPresent(config)) {
    refuse(file, "format", "SAELens' cfg.json beside it, which says how to encode", "none");
  }
  const lens = parseSaeLensConfig(readStrictJson(config, configLimits), config);
  return { kind: "sae-lens", guess: lens.guess, skip: lens.skip, lens };
}

function readGemmaScope2(file: string, tensors: ReadonlyMap<string, TensorSource>): Known {
  const kind = "gemma-scope-2";
  const config = join(dirname(file), "config.json");
  if (!isPresent(config)) {
    // Without a configuration only the published name and keys identify the format.
    if (basename(file) === scopeWeights && tensors.has("w_enc")) return { kind, guess: {} };
    const want = "a configuration beside it (Gemma Scope 2's config.json, SAELens' cfg.json)";
    return refuse(file, "format", want, "none: the tensors alone do not say how to encode");
  }
  const { guess, affine } = parseGemmaScope2Config(readStrictJson(config, configLimits), config);
  const width = leafWidth(dirname(file));
  if (width !== undefined) guess.width = width;
  return { kind, guess, skip: affine };
}

function paramsFile(path: string): string {
  if (!existsSync(path)) {
    const got = danglingLink(path) ?? "none";
    const message = sentence(path, "a coder's file or folder", null, got);
    throw new GemlensError("NOT_FOUND", message, { file: path });
  }
  const expected = `params.npz or ${scopeWeights} (or SAELens' ${lensWeights})`;
  if (!statSync(path).isDirectory()) {
    if (path.endsWith(".npz") || path.endsWith(".safetensors")) return path;
    return refuse(path, "coder", expected, `${show(basename(path))}, ${whatItIs(path)}`);
  }
  const found = ["params.npz", scopeWeights, lensWeights].filter((name) =>
    isPresent(join(path, name)),
  );
  if (found.length !== 1) {
    const several = ["params_layer_0.safetensors", "W_enc_0.safetensors"];
    const none = several.some((name) => isPresent(join(path, name)))
      ? "a coder of several layers: load it with CrossLayerTranscoder.fromFile or Crosscoder.fromFile"
      : "neither";
    refuse(path, "coder", expected, found.join(" and ") || none);
  }
  return join(path, found[0] as string);
}

/** Published keys, in lower case → our keys. */
const keys: Readonly<Record<string, keyof CoderParams>> = {
  w_enc: "W_enc",
  w_dec: "W_dec",
  b_enc: "b_enc",
  b_dec: "b_dec",
  threshold: "threshold",
  affine_skip_connection: "skip",
};
const { affine_skip_connection: skipKey, ...common } = keys;
const lensKeys: typeof keys = { ...common, w_skip: "skip" };

function assemble(
  { kind, guess, skip = null, lens }: Known,
  tensors: ReadonlyMap<string, TensorSource>,
  file: string,
): CoderFile {
  const found: Partial<Record<keyof CoderParams, TensorSource>> = {};
  for (const [name, source] of tensors) {
    const lower = name.toLowerCase();
    if (lens && isScalingFactor(source, file)) continue;
    if (lens && lower === "log_threshold") {
      const want = "threshold (save it for inference: sae.save_inference_model)";
      unsupported(file, name, want, "a training checkpoint");
    }
    const known = lens ? lensKeys : keys;
    const key = Object.hasOwn(known, lower) ? known[lower] : undefined;
    if (!key) return refuse(file, show(name), `one of ${Object.keys(known).join(" ")}`, "another");
    if (found[key]) refuse(file, name, "each parameter once", "it in two spellings");
    if (!/^b?float/.test(source.dtype)) {
      refuse(file, name, "floating-point elements", source.dtype);
    }
    found[key] = source;
  }
  const relu = lens?.relu ?? false;
  if (relu && found.threshold) {
    refuse(file, "threshold", "none (cfg.json has the architecture of a ReLU coder)", "a tensor");
  }
  const need = (key: keyof CoderParams): TensorSource =>
    found[key] ?? refuse(file, key, "the parameter", "none");
  const params: CoderParams = {
    W_enc: need("W_enc"),
    W_dec: need("W_dec"),
    b_enc: need("b_enc"),
    b_dec: need("b_dec"),
    ...(!relu && { threshold: need("threshold") }),
    ...(found.skip && { skip: found.skip }),
  };
  if (skip !== null && skip !== (found.skip !== undefined)) {
    const [name, config] = lens
      ? ["W_skip", "cfg.json has architecture"]
      : ["affine_skip_connection", "config.json has affine_connection"];
    const want = skip ? `a tensor (${config})` : `none (${config})`;
    refuse(file, name as string, want, skip ? "none" : "a tensor");
  }
  const sizes = checkShapes(params, file, guess, lens !== undefined);
  if (lens) checkAgainst(lens, sizes, file);
  // A feature with such a threshold would be active never or always, for any input.
  const bad = params.threshold === undefined ? -1 : firstNotFinite(params.threshold);
  if (bad >= 0) refuse(file, "threshold", "finite numbers", `one that is not, of feature ${bad}`);
  const [applyBDecToInput, wantedDtype] = [lens?.subtractsBDec ?? false, lens?.dtype ?? null];
  return { kind, file, params, ...sizes, applyBDecToInput, wantedDtype, guess };
}

/** Whether a tensor has SAELens' fine-tuning factors, which have no effect if all are 1; refuses others. */
function isScalingFactor(source: TensorSource, file: string): boolean {
  if (!/^(?:finetuning_)?scaling_factor$/.test(source.name)) return false;
  const values = readFloats(source);
  const other = values.findIndex((value) => !(Math.abs(value - 1) <= 1e-5));
  if (other >= 0) {
    const want = "factors of 1 (finetuning_scaling_factor is not supported)";
    unsupported(file, source.name, want, `${values[other]} for feature ${other}`);
  }
  return true;
}

function checkAgainst(lens: SaeLensConfig, sizes: Sizes, file: string): void {
  const keysOf = { d_in: "dIn", d_out: "dOut", d_sae: "dSae" } as const;
  for (const [key, size] of Object.entries(keysOf)) {
    if (sizes[size] !== lens[size]) {
      refuse(file, key, `${lens[size]} (cfg.json)`, `${sizes[size]} in the tensors`);
    }
  }
}

interface Sizes {
  readonly dIn: number;
  readonly dOut: number;
  readonly dSae: number;
}

function checkShapes(
  params: CoderParams,
  file: string,
  guess: CoderGuess,
  skipTransposed: boolean,
): Sizes {
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
    skip: skipTransposed ? [dOut, dIn] : [dIn, dOut],
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
