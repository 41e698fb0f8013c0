import type { Coder } from "../../coder/coder.js";
import { siteNames } from "../../coder/site.js";
import { jsonNumber, plainJson, withJson } from "../../tensor/tensor-json.js";
import { notFinite } from "../not-finite.js";

/** The effect of one active feature at one position on a target. */
export interface Attribution {
  /** The coder of the feature. */
  readonly coder: Coder;
  /** The feature's index. */
  readonly feature: number;
  /** The position, counted in the prompt's tokens. */
  readonly position: number;
  /** The feature's activation at that position. */
  readonly activation: number;
  /** The feature's contribution to the target: the amount that ablating it would remove. */
  readonly effect: number;
}

/** The accuracy of integrated gradients for one coder's features together. */
export interface Completeness {
  /** The coder of the features. */
  readonly coder: Coder;
  /** The number of points at which the gradient was taken. */
  readonly steps: number;
  /** The target minus the target with all of the coder's features at 0. */
  readonly change: number;
  /** |sum of effects − change| / |change|. */
  readonly gap: number;
}

/** Effects, largest |effect| first, with the target's value. */
export interface Attributions extends ReadonlyArray<Attribution> {
  /** The target's value on the unchanged prompt. */
  readonly value: number;
  /** One entry for each coder with "integrated-gradients", else empty. */
  readonly completeness: readonly Completeness[];
  /**
   * For `JSON.stringify`: `value`, `completeness`, `coders` (each once) and `effects`, in which
   * `coder` is an index into `coders`. NaN and infinities are strings.
   */
  toJSON(): unknown;
}

/**
 * Sorts effects and keeps the first `topK`.
 *
 * @throws ARGUMENT if the target or an effect is not finite, as there is no order then
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
