/** What one run of the model is asked for, and what it gives: the types of `modelRun` and `modelGradients`. */

import type { NativeFeatures } from "./features-calls.js";
import type { CoderHandle, EditsHandle, KvCacheHandle, TensorHandle } from "./handles.js";

/** `null` observes, a handle replaces, `true` says that `hookSettle` will answer, `false` that it failed. */
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
  /** [batch · n] columns whose logits are wanted (same n for each row); absent: all. */
  readonly columns?: Int32Array;
  /** Point ids whose tensor is wanted; `RunResult.cache` has the same order. */
  readonly cache: Int32Array;
  /** Coders put in, then interventions, before the hooks. */
  readonly edits?: NativeEdits;
  /**
   * Coders read at their sites after all hooks there; padding has no features. Of a spliced coder:
   * the splice's own features, with their edits.
   */
  readonly features: readonly { readonly coder: CoderHandle }[];
  /** One point id for each JS hook, in calling order. */
  readonly hooks: Int32Array;
  /**
   * Called on the JS thread while the executor waits. `index` counts in `hooks`; `callId` names the
   * wait for `ctx.call` and `hookSettle`; `positionOffset` is the column of the first position.
   * The handle is lent: its owner ends the loan with `dispose(handle, true)` when it settles.
   */
  readonly onHook?: (
    index: number,
    activation: TensorHandle,
    callId: number,
    step: number,
    positionOffset: number,
  ) => HookAnswer;
  /**
   * With a metric as the target of `modelGradients`: called once, as `onHook` is, with the logits lent;
   * answers with the gradient at them, of their shape and type, or `false` that it failed.
   */
  readonly onMetric?: (logits: TensorHandle, callId: number) => TensorHandle | false;
  /** Keys and values of earlier positions; this run's are appended. */
  readonly kv?: KvCacheHandle;
  readonly step?: number;
  /** Draw one token per row from the last column's logits (`output` must be "logits" or "none"). */
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
  /** The draw depends on seed, row and step alone. */
  readonly seed: number;
  /** Row r's earlier tokens are history[historyPtr[r] … historyPtr[r+1]). Needed for the penalty only. */
  readonly history?: Int32Array;
  readonly historyPtr?: Int32Array;
  /** [batch], 1 for a row whose draw nobody reads: its logits need not be finite. Absent: none. */
  readonly ended?: Uint8Array;
}

/**
 * Flattened rows (row · pos + column, ascending) that something acts on; absent: all, padding included.
 * Ids and shapes are checked by the caller; the core checks what would be unsafe.
 */
type NativeRows = Int32Array;

/** What `editsCreate` makes: it serves one run, or all steps of a generation. */
export interface NativeEditList {
  /** Coders put in at their points. */
  readonly coders: readonly NativeSplice[];
  /** In array order; which rows they act on each run says. */
  readonly interventions: readonly NativeIntervention[];
}

/** Edits, and where they act in one run. */
export interface NativeEdits {
  readonly handle: EditsHandle;
  /** One for each intervention; absent, or null: on all rows. A patch needs one. */
  readonly places?: readonly (NativePlace | null)[];
  /** For each coder: rows that pass untouched, besides padding. */
  readonly skipRows?: readonly NativeRows[];
}

export interface NativePlace {
  /** None: nothing is done in this run. */
  readonly rows: NativeRows;
  /** Of a patch, one for each of `rows`. */
  readonly sourceRows?: Int32Array;
}

/** Interventions act at their point before all hooks there. */
export type NativeIntervention =
  | {
      /**
       * A coder's feature f becomes f′: `value`, or `value` · f. Those of one coder are one step, at
       * the place of the first: base + (f′ − f)·W_dec at its write sites, f read at its read sites.
       * Of a spliced coder they are part of the splice.
       */
      readonly kind: "feature";
      readonly coder: CoderHandle;
      readonly op: "set" | "scale";
      readonly feature: number;
      readonly value: number;
    }
  | {
      /**
       * x + coefficient · vector; with `cap` no further than to the projection x·v̂ = cap, and not
       * at all where that is reached.
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
      /** As the point's tensor, but for its batch and positions (for [batch, head, query, key]: queries). */
      readonly source: TensorHandle;
      readonly heads?: Int32Array;
    };

/** A coder put in the place of what it rebuilds. */
export interface NativeSplice {
  readonly coder: CoderHandle;
  /** Whether what the coder does not rebuild is added: then only changes of its features show. */
  readonly errorTerm: boolean;
  /** Not before all interventions, but where the coder's first edit is among them; else last. */
  readonly inOrder?: boolean;
}

/** The number whose gradient is taken. */
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
  /** A number made of the logits: `request.onMetric` answers with the gradient at them. */
  | { readonly kind: "metric" };

export interface NativeGradients {
  /** Points where the gradient is wanted: of the value that goes on, after all hooks. */
  readonly points: Int32Array;
  /**
   * Indices into the coders of `request.edits`: gradients at the features of these splices. A splice's error term
   * is a constant to the gradient.
   */
  readonly splices: Int32Array;
  readonly target: NativeTarget;
}

export interface NativeGradientResult extends NativeRunResult {
  /** The target's value; NaN for a metric, whose caller knows it. */
  readonly value: number;
  /** One for each of `points`, of its shape and type; zeros where the target does not depend on it. */
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
  /** [batch], natural logarithm of the drawn token's probability under the unmodified softmax. */
  readonly logprobs?: Float32Array;
}
