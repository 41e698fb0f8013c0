/** The requests and results of `modelRun` and `modelGradients`. */

import type { NativeFeatures } from "./features-calls.js";
import type { CoderHandle, EditsHandle, KvCacheHandle, TensorHandle } from "./handles.js";

/** `null` observes, a handle replaces, `true` announces `hookSettle`, `false` reports a failure. */
export type HookAnswer = TensorHandle | null | boolean;

export interface NativeRunRequest {
  readonly batch: number;
  readonly pos: number;
  /** [batch · pos] row-major; absent with `resid`. */
  readonly tokens?: Int32Array;
  /** [batch, pos, dModel], the residual stream that enters `startLayer`. */
  readonly resid?: TensorHandle;
  /** [batch · pos], 1 for a real token; absent: all are real. */
  readonly mask?: Uint8Array;
  readonly startLayer: number;
  /** Blocks startLayer … stopLayer−1 run. */
  readonly stopLayer: number;
  /**
   * "logits" [batch, columns, dVocab] after the soft cap; "residual" [batch, pos, dModel] that leaves
   * the last block run; "loss" float32 [batch, pos−1], 0 where the token or its successor is padding;
   * "none".
   */
  readonly output: "logits" | "residual" | "loss" | "none";
  /** [batch · n] columns whose logits are wanted (same n for each row). Default: all. */
  readonly columns?: Int32Array;
  /** Ids of the points to cache; `NativeRunResult.cache` has the same order. */
  readonly cache: Int32Array;
  /** Splices, then interventions; both run before the hooks. */
  readonly edits?: NativeEdits;
  /**
   * Coders to encode with after all hooks of their sites; padding has no features. A spliced coder gives
   * the splice's own features, with their edits.
   */
  readonly features: readonly { readonly coder: CoderHandle }[];
  /** One point id for each JS hook, in calling order. */
  readonly hooks: Int32Array;
  /**
   * Called on the JS thread while the executor waits. `index` is an index into `hooks`; `callId` names
   * the wait for `ctx.call` and `hookSettle`; `positionOffset` is the column of the first position. The
   * handle is borrowed: the callee ends the loan with `dispose(handle, true)` when it settles.
   */
  readonly onHook?: (
    index: number,
    activation: TensorHandle,
    callId: number,
    step: number,
    positionOffset: number,
  ) => HookAnswer;
  /**
   * Called once if the target of `modelGradients` is a metric, in the same way as `onHook`, with the
   * logits. Returns the gradient at them, of their shape and type, or `false` if it failed.
   */
  readonly onMetric?: (logits: TensorHandle, callId: number) => TensorHandle | false;
  /** Keys and values of earlier positions; this run's are appended. */
  readonly kv?: KvCacheHandle;
  readonly step?: number;
  /** Draws one token per row from the last column's logits; `output` must be "logits" or "none". */
  readonly sample?: NativeSampling;
}

export interface NativeSampling {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** 1 is off. */
  readonly topP: number;
  /** 1 is off; > 1 makes tokens of `history` less likely (CTRL, arXiv 1909.05858). */
  readonly repetitionPenalty: number;
  /** The draw depends only on seed, row and step. */
  readonly seed: number;
  /** Row r's earlier tokens are history[historyPtr[r] … historyPtr[r+1]). Needed for the penalty only. */
  readonly history?: Int32Array;
  readonly historyPtr?: Int32Array;
  /** [batch], 1 for a row whose draw is not used: its logits may be infinite or NaN. Default: none. */
  readonly ended?: Uint8Array;
}

/**
 * Flattened rows (row · pos + column, ascending) to act on. Default: all, padding included. The caller
 * checks ids and shapes; the core checks memory safety.
 */
type NativeRows = Int32Array;

/** The edits of one run, or of all steps of a generation: the input of `editsCreate`. */
export interface NativeEditList {
  /** Coders to splice in at their points. */
  readonly coders: readonly NativeSplice[];
  /** Applied in array order; each run says on which rows they act. */
  readonly interventions: readonly NativeIntervention[];
}

/** Edits, and their placements in one run. */
export interface NativeEdits {
  readonly handle: EditsHandle;
  /** One for each intervention. Default, and null: all rows. A patch needs one. */
  readonly places?: readonly (NativePlacement | null)[];
  /** For each coder: rows that it leaves unchanged, in addition to padding. */
  readonly skipRows?: readonly NativeRows[];
}

/** The rows on which an intervention acts. */
export interface NativePlacement {
  /** An empty list skips the intervention in this run. */
  readonly rows: NativeRows;
  /** The source row of each of `rows`, for a patch. */
  readonly sourceRows?: Int32Array;
}

/** Interventions act at their point before all hooks there. */
export type NativeIntervention =
  | {
      /**
       * Changes a coder's feature from f to f′: `value`, or `value` · f. All edits of one coder are one
       * step, in the order of the first: base + (f′ − f)·W_dec at its write sites, with f encoded at its
       * read sites. Edits of a spliced coder are part of the splice.
       */
      readonly kind: "feature";
      readonly coder: CoderHandle;
      readonly op: "set" | "scale";
      readonly feature: number;
      readonly value: number;
    }
  | {
      /**
       * x + coefficient · vector. `cap` stops it at the projection x·v̂ = cap; it does not act on rows
       * that already reach the cap.
       */
      readonly kind: "steer";
      readonly point: number;
      /** As many elements as a row of the point has. */
      readonly vector: TensorHandle;
      readonly coefficient: number;
      readonly cap?: number;
    }
  | {
      /** x − (x·v̂)v̂. */
      readonly kind: "project";
      readonly point: number;
      readonly vector: TensorHandle;
    }
  | {
      /** x[rows[i]] = source[sourceRows[i]], of the given heads only. */
      readonly kind: "patch";
      readonly point: number;
      /** The point's shape with its own batch and positions (for [batch, head, query, key]: queries). */
      readonly source: TensorHandle;
      readonly heads?: Int32Array;
    };

/** A coder whose reconstruction replaces the activation. */
export interface NativeSplice {
  readonly coder: CoderHandle;
  /** Whether to add the reconstruction error, so that only changes of features have an effect. */
  readonly errorTerm: boolean;
  /** Runs at the coder's first edit among the interventions, or else last, instead of before all of them. */
  readonly inOrder?: boolean;
}

/** The scalar to differentiate. */
export type NativeTarget =
  /** Σ weights[i] · logits[rows[i], tokens[i]] after the soft cap; rows count in batch · n columns. */
  | {
      readonly kind: "logits";
      readonly rows: Int32Array;
      readonly tokens: Int32Array;
      readonly weights: Float32Array;
    }
  /** Mean next-token loss over the real tokens. */
  | { readonly kind: "loss" }
  /** Σ over rows of a feature's pre-activation x·W_enc[:, feature] + b_enc[feature]. */
  | {
      readonly kind: "feature";
      readonly coder: CoderHandle;
      readonly feature: number;
      readonly rows: Int32Array;
    }
  /** A number computed from the logits; `request.onMetric` returns the gradient at them. */
  | { readonly kind: "metric" };

export interface NativeGradients {
  /** Points whose gradient is wanted, at the value after all hooks. */
  readonly points: Int32Array;
  /**
   * Splices whose features' gradients are wanted, as indices into the coders of `request.edits`. The
   * gradient treats a splice's error term as a constant.
   */
  readonly splices: Int32Array;
  readonly target: NativeTarget;
}

export interface NativeGradientResult extends NativeRunResult {
  /** The target's value; NaN for a metric, whose value the caller already has. */
  readonly value: number;
  /** One for each of `points`, of its shape and type; zeros if the target does not depend on it. */
  readonly grads: TensorHandle[];
  /** For each of `splices`: its features, and the gradients at the same entries. */
  readonly spliced: { readonly features: NativeFeatures; readonly grads: NativeFeatures }[];
}

export interface NativeRunResult {
  readonly output?: TensorHandle;
  readonly cache: TensorHandle[];
  readonly features: NativeFeatures[];
  /** [batch], with `sample`. */
  readonly tokens?: Int32Array;
  /** [batch], natural log-probability of the drawn token under the unmodified softmax. */
  readonly logprobs?: Float32Array;
}
