import { fromJSON } from "./from-json.js";
import { toJSON } from "./to-json.js";
import type { AnyIntervention } from "./types.js";

/**
 * A change of what a run computes, as plain data: made by {@link ablate}, {@link clamp},
 * {@link scale}, {@link steer}, {@link project}, {@link patch} or {@link freeze}, taken by
 * `forward`, `loss`, `runWithCache` and `generate`, any number of times.
 */
export type Intervention = AnyIntervention;

/**
 * Interventions to JSON and back.
 *
 * @example
 * const text = JSON.stringify(await Intervention.toJSON(list));
 * const same = await Intervention.fromJSON(JSON.parse(text), { coders: [sae] });
 */
export const Intervention = Object.freeze({ toJSON, fromJSON });
