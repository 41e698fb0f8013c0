import { Coder, type FeatureRef } from "../coder/coder.js";
import { checkFeature } from "../coder/feature-acts.js";
import { canonicalHook } from "../coder/hook-name.js";
import { checkExcluded } from "../coder/special-tokens.js";
import { argument } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import { lastResidualAlias } from "../hooks/points.js";
import { isTensor } from "../tensor/internal.js";
import type { InterventionOptions, Positions, Vector } from "./types.js";

/** Checks that `ref` names a feature that its coder has. */
export function checkRef(caller: string, ref: unknown): FeatureRef {
  const { coder, feature } = isObject(ref) ? (ref as Partial<FeatureRef>) : {};
  if (!(coder instanceof Coder)) {
    throw argument(caller, "a coder's feature, such as sae.feature(7)", "feature", shortly(ref));
  }
  checkFeature(caller, feature as number, coder.cfg.dSae);
  return Object.freeze({ coder, feature: feature as number });
}

export function checkFinite(caller: string, subject: string, value: unknown): number {
  // The core computes in float32.
  if (typeof value === "number" && Number.isFinite(Math.fround(value))) return value;
  throw argument(caller, "a finite number (as float32)", subject, shortly(value));
}

/** The options that select the rows and tokens of an intervention. */
export const selectionKeys = ["positions", "batch", "excludeSpecialTokens"];

/** Checks and copies the options that select rows and tokens; absent options stay absent. */
export function checkSelection(caller: string, options: InterventionOptions): InterventionOptions {
  const { positions, batch, excludeSpecialTokens } = options;
  return {
    ...(positions !== undefined && { positions: checkPositions(caller, positions) }),
    ...(batch !== undefined && { batch: checkBatch(caller, batch) }),
    ...(excludeSpecialTokens !== undefined && {
      excludeSpecialTokens: checkExcluded(caller, excludeSpecialTokens),
    }),
  };
}

const positionForms = "an integer, a list of integers or {from, to?}";

function checkPositions(caller: string, positions: Positions): Positions {
  if (Number.isSafeInteger(positions)) return positions;
  if (Array.isArray(positions) && positions.every(Number.isSafeInteger)) {
    return Object.freeze([...positions]);
  }
  if (!isObject(positions) || Array.isArray(positions)) {
    throw argument(caller, positionForms, "positions", shortly(positions));
  }
  const { from, to, ...rest } = positions as { from?: unknown; to?: unknown };
  const other = Object.keys(rest)[0];
  if (other !== undefined) throw argument(caller, positionForms, "positions", `a key ${other}`);
  if (!Number.isSafeInteger(from)) {
    throw argument(caller, "an integer", "positions.from", shortly(from));
  }
  if (to === undefined) return Object.freeze({ from: from as number });
  if (!Number.isSafeInteger(to)) throw argument(caller, "an integer", "positions.to", shortly(to));
  return Object.freeze({ from: from as number, to: to as number });
}

function checkBatch(caller: string, batch: number | readonly number[]): number | readonly number[] {
  const rows: readonly unknown[] = Array.isArray(batch) ? batch : [batch];
  const wrong = rows.find((row) => !Number.isSafeInteger(row) || (row as number) < 0);
  if (wrong !== undefined || rows.includes(undefined)) {
    throw argument(caller, "rows, counted from 0", "batch", shortly(wrong));
  }
  return Array.isArray(batch) ? Object.freeze([...batch]) : batch;
}

const known = new Set<string>();

/** The canonical name of a hook. NOT_FOUND if no Gemma has it. */
export function checkHook(caller: string, hook: unknown): string {
  if (typeof hook !== "string") throw argument(caller, "a hook's name", "hook", shortly(hook));
  // Only the run knows the last block.
  if (known.has(hook) || hook === lastResidualAlias) return hook;
  const name = canonicalHook(caller, hook);
  known.add(name);
  return name;
}

/** Copies the numbers as float32. */
export function copyVector(caller: string, vector: Vector): Float32Array {
  const numbers = numbersOf(caller, vector);
  if (numbers.length === 0) throw argument(caller, "at least one number", "vector", "none");
  const wrong = numbers.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    throw argument(caller, "finite numbers", "vector", `${numbers[wrong]} at ${wrong}`);
  }
  return numbers;
}

function numbersOf(caller: string, vector: Vector): Float32Array {
  if (isTensor(vector)) return vector.readSync("float32");
  if (vector instanceof Float32Array) return vector.slice();
  if (Array.isArray(vector) && vector.every((value) => typeof value === "number")) {
    return Float32Array.from(vector);
  }
  throw argument(caller, "a Tensor, a Float32Array or numbers", "vector", shortly(vector));
}

/** Refuses a vector of zeros, which has no direction to project on. */
export function checkLength(caller: string, vector: Float32Array): void {
  if (vector.some((value) => value !== 0)) return;
  throw argument(caller, "a vector that is not zero", "vector", "zeros only");
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
