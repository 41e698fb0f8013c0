import type { Coder, FeatureRef } from "../coder/coder.js";
import type { ExcludedTokens } from "../coder/special-tokens.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Which positions of a row something acts on; left out: every real token. Positions count a row's
 * real tokens, negative ones from its end; a stretch ends before `to`, without one at the row's
 * end. In `generate` they count in the prompt, and go on into the generated tokens: those that a
 * list names, and those that a stretch (or none given) reaches.
 */
export type Positions =
  | number
  | readonly number[]
  | {
      /** The first position. */
      readonly from: number;
      /** The position before which it ends. */
      readonly to?: number | undefined;
    };

/** Where an intervention acts. */
export interface InterventionOptions {
  /** Default: every real token, BOS included. */
  readonly positions?: Positions | undefined;
  /** Rows of the batch. Default: all. */
  readonly batch?: number | readonly number[] | undefined;
  /**
   * Leave special tokens (BOS, turns and so on) as they are, or the tokens with these ids; in
   * `generate` also those that are drawn. Default false.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** Where a vector or an activation acts. */
export interface VectorOptions extends InterventionOptions {
  /**
   * Takes a tensor that is known to be of another space than the hook, such as an attention coder's
   * direction at the residual stream, which is refused otherwise.
   */
  readonly unchecked?: boolean | undefined;
}

/** Numbers that make a direction: they are copied. */
export type Vector = Tensor | Float32Array | readonly number[];

/** A direction at a hook point. */
export interface Direction {
  /** The hook point's name in the cache. */
  readonly hook: string;
  /** As many numbers as the point has for each position, heads flattened. */
  readonly vector: Float32Array;
}

/** A feature becomes `to` wherever it is chosen. */
export interface Ablation extends InterventionOptions {
  /** Says which it is. */
  readonly type: "ablate";
  /** The feature. */
  readonly target: FeatureRef;
  /** 0, or its mean over a corpus. */
  readonly to: number;
}

/** A feature becomes `value`, also where it is inactive. */
export interface Clamping extends InterventionOptions {
  /** Says which it is. */
  readonly type: "clamp";
  /** The feature. */
  readonly target: FeatureRef;
  /** What it becomes. */
  readonly value: number;
}

/** A feature becomes `factor` times what it is. */
export interface Scaling extends InterventionOptions {
  /** Says which it is. */
  readonly type: "scale";
  /** The feature. */
  readonly target: FeatureRef;
  /** What it is multiplied by. */
  readonly factor: number;
}

/** A direction is added. */
export interface Steering extends InterventionOptions {
  /** Says which it is. */
  readonly type: "steer";
  /** A feature stands for its decoder row at its coder's `hookNameOut`. */
  readonly target: FeatureRef | Direction;
  /** α of x + α·v. */
  readonly coefficient: number;
  /** As in {@link SteerOptions.cap}. */
  readonly cap?: number;
}

/** A direction is taken out. */
export interface Projection extends InterventionOptions, Direction {
  /** Says which it is. */
  readonly type: "project";
}

/** An activation is put in from another run. */
export interface Patching extends InterventionOptions {
  /** Says which it is. */
  readonly type: "patch";
  /** The hook point's name in the cache. */
  readonly hook: string;
  /** Shares the memory of what was given; it stays until the intervention is garbage, or disposed. */
  readonly source: Tensor;
  /** The heads that are put in, ascending; left out: all. */
  readonly heads?: readonly number[];
}

/** @inline Every kind of intervention. */
export type AnyIntervention = Ablation | Clamping | Scaling | Steering | Projection | Patching;

/** A coder put in the place of what it rebuilds. */
export interface Splice {
  /** The coder. */
  readonly coder: Coder;
  /**
   * Whether what the coder does not rebuild is added, so that only changes of its features show.
   * Default true; without, the bare reconstruction goes on (a transcoder's skip included).
   */
  readonly errorTerm?: boolean | undefined;
  /** Special tokens (BOS, turns …), or those of these ids, pass untouched, also by edits of this coder. */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** What `coders` takes: a coder stands for itself with its error term. */
export type CoderSplice = Coder | Splice;

/** What runs take to change what they compute. */
export interface RunEditOptions {
  /** Coders put in at their hooks, in this order: before interventions and hooks. */
  readonly coders?: readonly CoderSplice[] | undefined;
  /** In this order at each hook, after coders and before JavaScript hooks. */
  readonly interventions?: readonly AnyIntervention[] | undefined;
}
