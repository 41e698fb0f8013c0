import type { FeatureRef } from "../coder/coder.js";
import { checkOptions } from "../errors/check-options.js";
import { checkFinite, checkRef, checkSelection, selectionKeys as where } from "./checks.js";
import type { Ablation, Clamping, InterventionOptions, Scaling } from "./types.js";

/** Options for `ablate`. */
export interface AblateOptions extends InterventionOptions {
  /** The new activation: 0 (default), or the feature's mean over a corpus. */
  readonly to?: number | undefined;
}

/**
 * Ablates a feature: x + (f′ − f)·W_dec with f′ = `to` (0 by default), at every chosen position,
 * also where the feature is inactive. The coder's error stays. A transcoder's change is added at
 * `hookNameOut`. All edits of one coder's features form one step, in the order of the first.
 *
 * @example
 * const interventions = [213, 452].map((feature) => ablate(sae.feature(feature)));
 * using logits = await model.forward(text, { interventions, positions: [-1] });
 *
 * @throws ARGUMENT if the feature or an option is invalid; the run checks it against its model
 */
export function ablate(feature: FeatureRef, options: AblateOptions = {}): Ablation {
  checkOptions("ablate", options, ["to", ...where]);
  return Object.freeze({
    type: "ablate",
    target: checkRef("ablate", feature),
    to: checkFinite("ablate", "to", options.to ?? 0),
    ...checkSelection("ablate", options),
  });
}

/**
 * Holds a feature at a value, also where it is inactive: x + (f′ − f)·W_dec with f′ = `value`; the
 * coder's error stays (Templeton et al. 2024, "Scaling Monosemanticity").
 *
 * @example
 * const interventions = [clamp(sae.feature(621), 15, { positions: { from: 1 } })];
 * const options = { interventions, temperature: 0, maxNewTokens: 2 };
 * console.log(await model.generate("One day,", options).text()); // Anna went
 *
 * @throws ARGUMENT if the feature, the value or an option is invalid
 */
export function clamp(
  feature: FeatureRef,
  value: number,
  options: InterventionOptions = {},
): Clamping {
  checkOptions("clamp", options, where);
  return Object.freeze({
    type: "clamp",
    target: checkRef("clamp", feature),
    value: checkFinite("clamp", "value", value),
    ...checkSelection("clamp", options),
  });
}

/**
 * Multiplies a feature where it is active: x + (f′ − f)·W_dec with f′ = `factor` · f.
 *
 * @example
 * const options = { interventions: [scale(sae.feature(213), 0.5)], temperature: 0 };
 * console.log(await model.generate(text, { ...options, maxNewTokens: 2 }).text()); // it is
 *
 * @throws ARGUMENT if the feature, the factor or an option is invalid
 */
export function scale(
  feature: FeatureRef,
  factor: number,
  options: InterventionOptions = {},
): Scaling {
  checkOptions("scale", options, where);
  return Object.freeze({
    type: "scale",
    target: checkRef("scale", feature),
    factor: checkFinite("scale", "factor", factor),
    ...checkSelection("scale", options),
  });
}
