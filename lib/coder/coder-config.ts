import { basename } from "node:path";
import { type CoderEntry, entriesOf } from "../catalogue/coder-entry.js";
import { type CoderFile, openCoderFile } from "../checkpoint/coder-file.js";
import { publishedAs } from "../checkpoint/coder-guess.js";
import { argument } from "../errors/check-options.js";
import type { DtypeName } from "../native/addon.js";
import { canonicalHook } from "./hook-name.js";
import { layerOf, type Site, siteAt } from "./site.js";

/** A coder's configuration: its kind, sites, sizes and origin. */
export interface CoderConfig {
  /** The activation function: JumpReLU, or a plain ReLU with thresholds of 0. */
  readonly architecture: "jumprelu" | "relu";
  /** The hooks that it reads: each has an encoder. */
  readonly reads: readonly Site[];
  /** The hooks that it rebuilds: each has a decoder. */
  readonly writes: readonly Site[];
  /** Number of features, of all encoders together. */
  readonly dSae: number;
  /** `model/source` on Neuronpedia. Not supported yet: undefined for every coder. */
  readonly neuronpediaId: string | undefined;
  /** The published release, such as `gemma-scope-2b-pt-res`, if the file is in a cache of it. */
  readonly release: string | undefined;
  /** The coder's id in its release, such as `layer_20/width_16k/average_l0_71`. */
  readonly saeId: string | undefined;
  /** Mean number of active features, as published. */
  readonly l0: number | undefined;
  /** The block that it reads; undefined for `hook_embed`, and for a coder of several blocks. */
  readonly layer: number | undefined;
  /** The width as published: `16k`, `1m`. */
  readonly width: string | undefined;
  /** The model it was trained on, without its owner: `gemma-2-2b`. */
  readonly modelName: string | undefined;
  /** The element type that the parameters are held in. */
  readonly dtype: DtypeName;
  /** "cpu" or "cuda:0". */
  readonly device: string;
  /** The file or folder that was loaded, as given. */
  readonly path: string;
  /** Whether the output has the affine skip x·A. */
  readonly skip: boolean;
  /** Whether the encoder reads x − b_dec, as SAELens' key of this name says. */
  readonly applyBDecToInput: boolean;
}

/** The configuration of a coder that reads one hook and rebuilds one: an SAE or a transcoder. */
export interface SingleSiteConfig extends CoderConfig {
  /** Input width: d_model, or heads · d_head for attention coders. */
  readonly dIn: number;
  /** Output width. */
  readonly dOut: number;
  /** The hook whose tensor it reads. */
  readonly hookName: string;
  /** The hook whose tensor it rebuilds; for an SAE this is `hookName`. */
  readonly hookNameOut: string;
}

/** Parameter types of a coder. */
export type CoderDtype = "auto" | "float32" | "bfloat16" | "float16";

/** Options for `SAE.fromFile` and `Transcoder.fromFile`. */
export interface CoderFileOptions {
  /** The hook that the coder reads; required unless the path or config.json says it. */
  readonly hookName?: string | undefined;
  /** "cpu" (default) or "cuda", "cuda:1". */
  readonly device?: string | undefined;
  /** Default "auto": the type in the file, or the one in SAELens' cfg.json. */
  readonly dtype?: CoderDtype | undefined;
  /** Stops loading; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for `Transcoder.fromFile`. */
export interface TranscoderFileOptions extends CoderFileOptions {
  /** The hook whose tensor the transcoder rebuilds. */
  readonly hookNameOut?: string | undefined;
}

/** A coder's configuration and opened file, before its weights are loaded. */
export type CoderPlan = Omit<SingleSiteConfig, "dtype" | "device"> & { readonly file: CoderFile };

type Kind = "SAE" | "Transcoder";

/** Opens a coder's file and determines its hooks. */
export function planCoder(
  caller: string,
  kind: Kind,
  path: string,
  options: TranscoderFileOptions,
  entry?: CoderEntry,
): CoderPlan {
  const file = openCoderFile(path);
  const { guess, dIn, dOut, dSae } = file;
  checkKind(caller, kind, file, path, options);
  const input =
    options.hookName ??
    entry?.hookName ??
    guess.hookName ??
    needHook(caller, "hookName", "reads", path);
  const hookName = canonicalHook(caller, input);
  const output =
    kind === "SAE"
      ? hookName
      : (options.hookNameOut ??
        entry?.hookNameOut ??
        guess.hookNameOut ??
        needHook(caller, "hookNameOut", "rebuilds", path));
  const hookNameOut = canonicalHook(caller, output);
  const named = publishedAs(path);
  const published = entry ?? entriesOf(named?.release ?? "").find(({ id }) => id === named?.saeId);
  return {
    architecture: file.params.threshold === undefined ? "relu" : "jumprelu",
    reads: [siteAt(hookName, dIn)],
    writes: [siteAt(hookNameOut, dOut)],
    dIn,
    dOut,
    dSae,
    hookName,
    hookNameOut,
    neuronpediaId: published?.neuronpediaId ?? undefined,
    release: published?.release ?? named?.release,
    saeId: published?.id ?? named?.saeId,
    l0: guess.l0 ?? published?.l0,
    layer: layerOf(hookName) ?? guess.layer,
    width: guess.width ?? published?.width,
    modelName: guess.modelName ?? published?.model.replace(/^google\//, ""),
    path,
    skip: file.params.skip !== undefined,
    applyBDecToInput: file.applyBDecToInput,
    file,
  };
}

/** Whether a file is a transcoder, judged by its contents and path. */
export function isTranscoder({ guess, dIn, dOut, params }: CoderFile): boolean {
  return guess.site === "transcoder" || dIn !== dOut || params.skip !== undefined;
}

function checkKind(
  caller: string,
  kind: Kind,
  file: CoderFile,
  path: string,
  options: TranscoderFileOptions,
): void {
  const { guess } = file;
  const transcodes = isTranscoder(file);
  if (kind === "SAE" && transcodes) {
    throw argument(
      caller,
      "an SAE",
      "path",
      `a transcoder (${basename(path)}): load it with Transcoder.fromFile`,
      { path },
    );
  }
  // SAELens' cfg.json states the kind. Options may overrule a kind that only the path suggests.
  const known = guess.site !== undefined && guess.hookName !== undefined;
  const overridden = options.hookName !== undefined && options.hookNameOut !== undefined;
  const certain = file.kind === "sae-lens";
  if (kind === "Transcoder" && !transcodes && (certain || (known && !overridden))) {
    const of = guess.hookName === undefined ? "" : ` of ${guess.hookName}`;
    throw argument(caller, "a transcoder", "path", `an SAE${of}: load it with SAE.fromFile`, {
      path,
    });
  }
}

function needHook(caller: string, option: string, does: string, path: string): never {
  throw argument(
    caller,
    `the hook that the coder ${does} (such as "blocks.20.hook_resid_post")`,
    option,
    `none, and it can't be inferred from ${path}`,
    { option, path },
  );
}
