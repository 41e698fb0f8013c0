import { Coder, coderHandle } from "../coder/coder.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";
import type { NativeSplice } from "../native/addon.js";
import { isObject } from "./checks.js";
import { type CoderPoints, checkCoder, coderPoints, type EditContext } from "./edit-context.js";
import { type FindExcluded, resolveExcluded } from "./excluded-tokens.js";
import type { CoderSplice } from "./types.js";

/**
 * Marks a splice whose coder goes in where `interventions` first edit its features, so that the run
 * has the edited features and the gradient at them. Without such edits the coder goes in last.
 */
export const inOrder: unique symbol = Symbol("in the order of the interventions");

/** Splices a coder with its error term, which leaves the run's numbers unchanged. */
export function inOrderSplice(coder: Coder): CoderSplice {
  return { coder, [inOrder]: true } as CoderSplice;
}

/** A splice, checked against a model. */
export interface ResolvedSplice extends CoderPoints {
  readonly coder: Coder;
  readonly errorTerm: boolean;
  readonly inOrder: boolean;
  /** Finds the tokens whose activations stay unchanged. */
  readonly excluded: FindExcluded;
}

export function resolveSplices(
  context: EditContext,
  coders: readonly CoderSplice[] | undefined,
): ResolvedSplice[] {
  const { caller } = context;
  if (coders === undefined) return [];
  if (!Array.isArray(coders))
    throw argument(caller, "an array of coders", "coders", shortly(coders));
  const splices = coders.map((entry, i) => resolveSplice(context, `coders[${i}]`, entry));
  for (const [i, { coder }] of splices.entries()) {
    if (splices.findIndex((other) => other.coder === coder) === i) continue;
    throw argument(caller, "each coder once", `coders[${i}]`, "one that is there already");
  }
  return splices;
}

function resolveSplice(context: EditContext, use: string, entry: unknown): ResolvedSplice {
  const { caller } = context;
  const bare = entry instanceof Coder;
  if (!bare && isObject(entry) && "coder" in entry) {
    checkOptions(`${caller}: ${use}`, entry, ["coder", "errorTerm", "excludeSpecialTokens"]);
  }
  const splice: Record<string | symbol, unknown> =
    bare || !isObject(entry) ? { coder: entry } : (entry as Record<string | symbol, unknown>);
  const coder = checkCoder(context, use, splice["coder"]);
  const flag = (name: string, fallback: boolean): boolean => {
    const value = splice[name] ?? fallback;
    if (typeof value === "boolean") return value;
    throw argument(caller, "true or false", `${use}.${name}`, shortly(value));
  };
  return {
    coder,
    ...coderPoints(context, use, coder),
    errorTerm: flag("errorTerm", true),
    inOrder: splice[inOrder] === true,
    excluded: resolveExcluded(
      context,
      splice["excludeSpecialTokens"],
      `${use}.excludeSpecialTokens`,
    ),
  };
}

export function nativeSplice(caller: string, splice: ResolvedSplice): NativeSplice {
  return {
    coder: coderHandle(splice.coder, caller),
    errorTerm: splice.errorTerm,
    ...(splice.inOrder && { inOrder: true }),
  };
}
