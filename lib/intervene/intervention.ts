import { fromJSON } from "./from-json.js";
import { toJSON } from "./to-json.js";
import type { AnyIntervention } from "./types.js";

/**
 * A change of a run's computation, as plain data. {@link ablate}, {@link clamp}, {@link scale},
 * {@link steer}, {@link project}, {@link patch} and {@link freeze} make interventions. `forward`,
 * `loss`, `runWithCache`, `runWithGradients` and `generate` take them, any number of times.
 *
 * @useDeclaredType
 */
export type Intervention = AnyIntervention;

/**
 * Converts interventions to JSON and back.
 *
 * @namespace
 * @example
 * const json = JSON.stringify(await Intervention.toJSON([ablate(sae.feature(213))]));
 * const [same] = await Intervention.fromJSON(JSON.parse(json), { coders: [sae] });
 * console.log(same?.type, same && "target" in same && "feature" in same.target); // ablate true
 */
export const Intervention = Object.freeze({ toJSON, fromJSON });
