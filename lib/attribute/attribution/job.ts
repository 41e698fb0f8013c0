import type { Coder } from "../../coder/coder.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import type { CoderRead } from "../../model/observed-coders.js";
import type { Prompt } from "../prompt.js";
import type { Attribution, Completeness } from "./attributions.js";
import type { TargetValues } from "./target-values.js";

/** The input of each attribution method. */
export interface AttributionJob {
  readonly caller: string;
  readonly model: HookedTransformer;
  readonly prompt: Prompt;
  readonly target: TargetValues;
  readonly through: readonly Coder[];
  /** The `features` option of runs that keep the features of `through`. */
  readonly features: readonly CoderRead[];
  /** The coders of `through` whose features interventions change and that are not spliced. */
  readonly edited: readonly Coder[];
  readonly batchSize: number;
  readonly onProgress: ((progress: { done: number; total: number }) => void) | undefined;
}

/** The unsorted result of a method. */
export interface Effects {
  readonly effects: Attribution[];
  readonly value: number;
  readonly completeness?: readonly Completeness[];
}
