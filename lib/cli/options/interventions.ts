import type { Command } from "commander";
import type { FeatureRef } from "../../coder/coder.js";
import { hooksOf } from "../../coder/site.js";
import { steer } from "../../intervene/directions.js";
import { ablate, clamp } from "../../intervene/features.js";
import type { Intervention } from "../../intervene/intervention.js";
import type { InterventionOptions as Where } from "../../intervene/types.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import type { CoderSet } from "./coder-set.js";
import { type FeatureSpec, featureSpecs } from "./feature-spec.js";
import { excludes, type SpecialTokensFlag } from "./special-tokens.js";

export interface InterventionOptions extends SpecialTokensFlag {
  readonly ablate?: readonly FeatureSpec[];
  readonly clamp?: readonly FeatureSpec[];
  readonly steer?: readonly FeatureSpec[];
}

/** Adds --ablate, --clamp and --steer. */
export function withInterventions(command: Command): Command {
  return command
    .option(
      "--ablate <feature>",
      "set a feature to 0, or to the value given",
      featureSpecs("optional"),
    )
    .option("--clamp <feature>", "hold a feature at a value", featureSpecs("needed"))
    .option(
      "--steer <feature>",
      "add the value times the feature's direction",
      featureSpecs("needed"),
    );
}

/** An intervention from the command line, with its summary for `--json`. */
export interface Chosen {
  readonly ref: FeatureRef;
  readonly intervention: Intervention;
  readonly summary: {
    readonly type: "ablate" | "clamp" | "steer";
    readonly hook: string;
    readonly feature: number;
    readonly name?: string;
    readonly value: number;
    readonly from: number;
  };
}

/** Whether the options contain an intervention. */
export function intervenes({ ablate = [], clamp = [], steer = [] }: InterventionOptions): boolean {
  return ablate.length + clamp.length + steer.length > 0;
}

/** Makes the interventions: ablations first, then clamps, then steering, each in the order given. */
export async function chosenInterventions(
  options: InterventionOptions,
  coders: CoderSet,
  firstPosition: number,
): Promise<Chosen[]> {
  const chosen: Chosen[] = [];
  for (const type of ["ablate", "clamp", "steer"] as const) {
    for (const spec of options[type] ?? []) {
      const ref = await coders.find(spec);
      const { value = 0, from = firstPosition } = spec;
      const name = coders.name(ref);
      const hook = hooksOf(ref.coder.cfg)[type === "steer" ? "hookNameOut" : "hookName"];
      const where = { positions: { from }, ...excludes(options) };
      const summary = { type, hook, feature: ref.feature, ...(name && { name }), value, from };
      chosen.push({ ref, intervention: make[type](ref, value, where), summary });
    }
  }
  return chosen;
}

const make = {
  ablate: (ref: FeatureRef, to: number, where: Where) => ablate(ref, { to, ...where }),
  clamp: (ref: FeatureRef, value: number, where: Where) => clamp(ref, value, where),
  steer: (ref: FeatureRef, value: number, where: Where) => steer(ref, value, where),
};

/** The default first position to act on: after the begin-of-text token, unless that is included. */
export function firstPosition(
  model: HookedTransformer,
  prompt: string,
  { includeSpecialTokens }: SpecialTokensFlag,
): number {
  if (includeSpecialTokens) return 0;
  return model.toTokens(prompt).ids[0] === model.tokenizer.bosTokenId ? 1 : 0;
}
