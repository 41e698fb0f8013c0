import { Coder, coderHandle } from "../coder/coder.js";
import { argument, checkOptions } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { NativeSplice } from "../native/addon.js";
import { shortly } from "../tensor/arguments.js";
import { isObject } from "./checks.js";
import { checkCoder, type EditPlace, pointsOf } from "./edit-place.js";
import type { CoderSplice } from "./types.js";

/** A splice that was checked against a model. */
export interface ResolvedSplice {
  readonly coder: Coder;
  readonly point: ResolvedPoint;
  readonly pointOut: ResolvedPoint;
  readonly errorTerm: boolean;
  /** Tokens whose positions pass untouched: those that are special, or these. */
  readonly excluded: "special" | ReadonlySet<number> | undefined;
}

export function resolveSplices(
  place: EditPlace,
  coders: readonly CoderSplice[] | undefined,
): ResolvedSplice[] {
  const { what } = place;
  if (coders === undefined) return [];
  if (!Array.isArray(coders)) throw argument(what, "an array of coders", "coders", shortly(coders));
  const splices = coders.map((entry, i) => resolveSplice(place, `coders[${i}]`, entry));
  for (const [i, { coder }] of splices.entries()) {
    if (splices.findIndex((other) => other.coder === coder) === i) continue;
    throw argument(what, "each coder once", `coders[${i}]`, "one that is there already");
  }
  return splices;
}

function resolveSplice(place: EditPlace, use: string, entry: unknown): ResolvedSplice {
  const { what } = place;
  const bare = entry instanceof Coder;
  if (!bare && isObject(entry) && "coder" in entry) {
    checkOptions(`${what}: ${use}`, entry, ["coder", "errorTerm", "excludeSpecialTokens"]);
  }
  const splice = bare || !isObject(entry) ? { coder: entry } : (entry as Record<string, unknown>);
  const coder = checkCoder(place, use, splice["coder"]);
  const flag = (name: string, fallback: boolean): boolean => {
    const value = splice[name] ?? fallback;
    if (typeof value === "boolean") return value;
    throw argument(what, "true or false", `${use}.${name}`, shortly(value));
  };
  return {
    coder,
    ...pointsOf(place, use, coder),
    errorTerm: flag("errorTerm", true),
    excluded: excludedTokens(place, use, splice["excludeSpecialTokens"]),
  };
}

function excludedTokens(
  { what, cfg }: EditPlace,
  use: string,
  value: unknown,
): ResolvedSplice["excluded"] {
  if (value === undefined || value === false) return undefined;
  if (value === true) return "special";
  const isId = (id: unknown) => Number.isInteger(id) && Number(id) >= 0 && Number(id) < cfg.dVocab;
  if (Array.isArray(value) && value.every(isId)) return new Set(value as number[]);
  const expected = `true, false or token ids in [0, ${cfg.dVocab})`;
  throw argument(what, expected, `${use}.excludeSpecialTokens`, shortly(value));
}

export function nativeSplice(what: string, splice: ResolvedSplice): NativeSplice {
  return {
    coder: coderHandle(splice.coder, what),
    point: splice.point.id,
    pointOut: splice.pointOut.id,
    errorTerm: splice.errorTerm,
  };
}

/** Flattened rows of a run that hold one of these tokens, ascending. */
export function cellsOfTokens(tokens: Int32Array, wanted: ReadonlySet<number>): Int32Array {
  const cells: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (wanted.has(tokens[i] as number)) cells.push(i);
  }
  return Int32Array.from(cells);
}
