import type { Coder, FeatureRef } from "../coder/coder.js";
import type { ExcludedTokens } from "../coder/special-tokens.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * The positions of a row that a change applies to. Default: every real token. Positions count a
 * row's real tokens, negative ones from its end. A range ends before `to`, or at the row's end
 * without `to`. In `generate` positions count in the prompt and continue into the generated tokens:
 * those that a list names, and those that a range (or the default) covers.
 */
export type Positions =
  | number
  | readonly number[]
  | {
      /** The first position. */
      readonly from: number;
      /** The end of the range, exclusive. */
      readonly to?: number | undefined;
    };

/** Options for interventions: the rows and tokens that they change. */
export interface InterventionOptions {
  /** The positions to change. Default: every real token, BOS included. */
  readonly positions?: Positions | undefined;
  /** The rows of the batch to change. Default: all. */
  readonly batch?: number | readonly number[] | undefined;
  /**
   * Leave special tokens (BOS, turns and so on), or the tokens with these ids, unchanged; in
   * `generate` also drawn ones. Default false.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** Options for interventions with a vector or an activation. */
export interface VectorOptions extends InterventionOptions {
  /**
   * Accept a tensor that is known to be of another space than the hook, such as an attention
   * coder's direction at the residual stream. Default false: such a tensor is refused.
   */
  readonly unchecked?: boolean | undefined;
}

/** The numbers of a direction, which are copied. */
export type Vector = Tensor | Float32Array | readonly number[];

/** A direction at a hook point. */
export interface Direction {
  /** The hook point's name in the cache. */
  readonly hook: string;
  /** The vector, as wide as the point is at each position, heads flattened. */
  readonly vector: Float32Array;
}

/** Sets a feature to `to` at every chosen position. */
export interface Ablation extends InterventionOptions {
  /** The kind of intervention. */
  readonly type: "ablate";
  /** The feature. */
  readonly target: FeatureRef;
  /** 0, or its mean over a corpus. */
  readonly to: number;
}

/** Sets a feature to `value`, also where it is inactive. */
export interface Clamping extends InterventionOptions {
  /** The kind of intervention. */
  readonly type: "clamp";
  /** The feature. */
  readonly target: FeatureRef;
  /** The new activation. */
  readonly value: number;
}

/** Multiplies a feature by `factor`. */
export interface Scaling extends InterventionOptions {
  /** The kind of intervention. */
  readonly type: "scale";
  /** The feature. */
  readonly target: FeatureRef;
  /** The factor. */
  readonly factor: number;
}

/** Adds a direction. */
export interface Steering extends InterventionOptions {
  /** The kind of intervention. */
  readonly type: "steer";
  /** A feature stands for its decoder row at its coder's `hookNameOut`. */
  readonly target: FeatureRef | Direction;
  /** α of x + α·v. */
  readonly coefficient: number;
  /** As in {@link SteerOptions.cap}. */
  readonly cap?: number;
}

/** Removes a direction. */
export interface Projection extends InterventionOptions, Direction {
  /** The kind of intervention. */
  readonly type: "project";
}

/** Replaces an activation by that of another run. */
export interface Patching extends InterventionOptions {
  /** The kind of intervention. */
  readonly type: "patch";
  /** The hook point's name in the cache. */
  readonly hook: string;
  /** Shares the memory of the given tensor until it is disposed or garbage-collected. */
  readonly source: Tensor;
  /** The heads that are replaced, ascending. Default: all. */
  readonly heads?: readonly number[];
}

/** @inline Every kind of intervention. */
export type AnyIntervention = Ablation | Clamping | Scaling | Steering | Projection | Patching;

/** A coder whose reconstruction replaces the tensor that it rebuilds. */
export interface Splice {
  /** The coder. */
  readonly coder: Coder;
  /**
   * Add the coder's error, so that only changes of its features have an effect. Default true; with
   * false the bare reconstruction continues (a transcoder's skip included).
   */
  readonly errorTerm?: boolean | undefined;
  /**
   * Leave special tokens (BOS, turns …), or those with these ids, unchanged, also by edits of this
   * coder. Default false.
   */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
}

/** An entry of `coders`: a splice, or a coder to splice with its error term. */
export type CoderSplice = Coder | Splice;

/** Options that change a run's computation. */
export interface RunEditOptions {
  /** The coders to splice in at their hooks, in this order, before interventions and hooks. */
  readonly coders?: readonly CoderSplice[] | undefined;
  /** The interventions, in this order at each hook, after coders and before JavaScript hooks. */
  readonly interventions?: readonly AnyIntervention[] | undefined;
}
