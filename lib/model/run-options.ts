import type { Coder } from "../coder/coder.js";
import type { CheckedHooks } from "../hooks/hook.js";
import type { CanonicalHookName, CheckedNames, HookKeys } from "../hooks/names.js";
import type { RunEditOptions } from "../intervene/types.js";
import type { GradientTarget } from "./gradient-target.js";
import type { CoderRead } from "./observed-coders.js";
import type { StartOptions } from "./run-start.js";

/**
 * Options for every run. At each hook, coders act first, then interventions, JavaScript hooks, and
 * the cache.
 */
export interface RunOptions<Hooks extends HookKeys = HookKeys>
  extends StartOptions,
    RunEditOptions {
  /** Hooks to call in order at their points: `hook(name, fn)` or `[name, fn]`. */
  readonly hooks?: CheckedHooks<Hooks> | undefined;
  /** Stops between two layers; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for `forward`. */
export interface ForwardOptions<Hooks extends HookKeys = HookKeys> extends RunOptions<Hooks> {
  /**
   * The positions whose logits are computed, counted in each row's real tokens, negative from its
   * end. Only these are multiplied with the unembedding.
   */
  readonly positions?: readonly number[] | undefined;
  /** Run only the blocks before this one (exclusive; negative from the end). */
  readonly stopAtLayer?: number | undefined;
}

/** Options for `loss`. */
export interface LossOptions<Hooks extends HookKeys = HookKeys> extends RunOptions<Hooks> {
  /** Return one loss per predicted token instead of their mean. */
  readonly perToken?: boolean | undefined;
}

/** Options for `runWithCache`. */
export interface CacheOptions<Names extends HookKeys = HookKeys, Hooks extends HookKeys = HookKeys>
  extends RunOptions<Hooks> {
  /** The activations to keep: names, or a predicate over all of the model's names. Required. */
  readonly names: CheckedNames<Names> | ((name: CanonicalHookName) => boolean);
  /**
   * Coders to encode with inside the run; `run.features(coder)` has the active features. For a
   * coder in `coders` these are the edited features.
   */
  readonly features?: readonly (Coder | CoderRead)[] | undefined;
  /**
   * "all" (default), "last" (of each row's last token), or false: stop after the last layer needed.
   */
  readonly logits?: "all" | "last" | false | undefined;
  /** Run only the blocks before this one (exclusive; negative from the end), without logits. */
  readonly stopAtLayer?: number | undefined;
}

/** Options for `runWithGradients`. */
export interface GradientOptions<
  Names extends HookKeys = HookKeys,
  Hooks extends HookKeys = HookKeys,
> extends RunOptions<Hooks> {
  /** The number to differentiate. */
  readonly target: GradientTarget;
  /**
   * The hooks to differentiate at: names, or a predicate over all of the model's. Default: none.
   */
  readonly names?: CheckedNames<Names> | ((name: CanonicalHookName) => boolean) | undefined;
  /** Coders to encode with inside the run. */
  readonly features?: readonly (Coder | CoderRead)[] | undefined;
  /** The positions whose logits are computed and passed to a metric. Default: all. */
  readonly positions?: readonly number[] | undefined;
}

/** The options of all verbs together. */
export type PlanOptions = RunOptions &
  Pick<ForwardOptions, "positions" | "stopAtLayer"> &
  Pick<CacheOptions, "features" | "logits"> &
  Pick<GradientOptions, "names"> &
  Partial<Pick<GradientOptions, "target">>;

const runKeys = [
  "coders",
  "interventions",
  "hooks",
  "signal",
  "startAtLayer",
  "mask",
  "unchecked",
  "prependBos",
  "paddingSide",
  "truncate",
] as const;

/** The options of each verb; other keys are refused. */
export const optionKeys = {
  forward: [...runKeys, "positions", "stopAtLayer"],
  loss: [...runKeys.filter((key) => key !== "startAtLayer" && key !== "unchecked"), "perToken"],
  runWithCache: [...runKeys, "names", "features", "logits", "stopAtLayer"],
  runWithGradients: [...runKeys, "target", "names", "features", "positions"],
  generate: [
    "coders",
    "interventions",
    "maxNewTokens",
    "temperature",
    "topK",
    "topP",
    "repetitionPenalty",
    "seed",
    "stopAtEos",
    "stop",
    "prependBos",
    "truncate",
    "hooks",
    "record",
    "signal",
  ],
} as const satisfies Record<string, readonly string[]>;

/** The ways to run a model. */
export type RunVerb = keyof typeof optionKeys;
