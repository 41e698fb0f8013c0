import type { Coder } from "../../coder/coder.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import type { CoderRead } from "../../model/observed-coders.js";
import type { Prompt } from "../prompt.js";
import type { Attribution, Completeness } from "./attributions.js";
import type { TargetValues } from "./target-values.js";

/** An attribution to be done: the input of each method. */
export interface AttributionJob {
  readonly caller: string;
  readonly model: HookedTransformer;
  readonly prompt: Prompt;
  readonly target: TargetValues;
  readonly through: readonly Coder[];
  /** How these are read in a run. */
  readonly features: readonly CoderRead[];
  /** Those of `through` whose features the interventions change, without a splice of the coder. */
  readonly edited: readonly Coder[];
  readonly batchSize: number;
  readonly onProgress: ((progress: { done: number; total: number }) => void) | undefined;
}

/** The result of a method, unsorted. */
export interface Effects {
  readonly effects: Attribution[];
  readonly value: number;
  readonly completeness?: readonly Completeness[];
}
