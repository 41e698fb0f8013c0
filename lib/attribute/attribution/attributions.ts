import type { Coder } from "../../coder/coder.js";
import { siteNames } from "../../coder/site.js";
import { jsonNumber, plainJson, withJson } from "../../tensor/tensor-json.js";
import { notFinite } from "../not-finite.js";

/** What one active feature at one position does to a target. */
export interface Attribution {
  /** The coder whose feature it is. */
  readonly coder: Coder;
  /** Its index. */
  readonly feature: number;
  /** Counted in the prompt's tokens. */
  readonly position: number;
  /** How strongly it fires there. */
  readonly activation: number;
  /** What it adds to the target: what would be gone without it. */
  readonly effect: number;
}

/** How far integrated gradients account for what one coder's features do together. */
export interface Completeness {
  /** The coder whose features they are. */
  readonly coder: Coder;
  /** Points at which the gradient was taken. */
  readonly steps: number;
  /** The target as it is, minus the target with all of the coder's features at 0. */
  readonly change: number;
  /** |sum of effects − change| / |change|. */
  readonly gap: number;
}

/** Effects, the largest by absolute value first, and what they were measured on. */
export interface Attributions extends ReadonlyArray<Attribution> {
  /** The target on the prompt as it is. */
  readonly value: number;
  /** One for each coder with integrated gradients, else none. */
  readonly completeness: readonly Completeness[];
  /**
   * For `JSON.stringify`: `value`, `completeness`, `coders` (each once) and `effects`, in which
   * `coder` is an index into `coders`. NaN and infinities are strings.
   */
  toJSON(): unknown;
}

/**
 * Sorts and cuts.
 *
 * @throws ARGUMENT if the target or an effect is not finite: there would be no order
 */
export function sortedAttributions(
  caller: string,
  effects: readonly Attribution[],
  topK: number | undefined,
  value: number,
  completeness: readonly Completeness[] = [],
): Attributions {
  if (!Number.isFinite(value)) throw notFinite(caller, "target");
  const bad = effects.find(({ effect }) => !Number.isFinite(effect));
  if (bad !== undefined) {
    const { coder, feature, position } = bad;
    throw notFinite(
      caller,
      `effect of feature ${feature} of ${siteNames(coder.cfg.reads)} at position ${position}`,
    );
  }
  const sorted = [...effects].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  const found = Object.assign(sorted.slice(0, topK), { value, completeness });
  return withJson(found, () => attributionsToJson(found)) as typeof found & Attributions;
}

function attributionsToJson(found: Pick<Attributions, "value" | "completeness"> & Attribution[]) {
  const known = new Map<Coder, number>();
  const named = <T extends { readonly coder: Coder }>({ coder, ...row }: T) => {
    if (!known.has(coder)) known.set(coder, known.size);
    return plainJson({ coder: known.get(coder), ...row });
  };
  const effects = found.map(named);
  const completeness = found.completeness.map(named);
  return { value: jsonNumber(found.value), completeness, coders: [...known.keys()], effects };
}
