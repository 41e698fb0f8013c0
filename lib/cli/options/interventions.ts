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
    .option("--ablate <feature>", "make a feature 0, or the value given", featureSpecs("optional"))
    .option("--clamp <feature>", "hold a feature at a value", featureSpecs("needed"))
    .option("--steer <feature>", "add value times its direction", featureSpecs("needed"));
}

/** One intervention of the command line, and what it says for `--json`. */
export interface Chosen {
  readonly ref: FeatureRef;
  readonly intervention: Intervention;
  readonly told: {
    readonly type: "ablate" | "clamp" | "steer";
    readonly hook: string;
    readonly feature: number;
    readonly name?: string;
    readonly value: number;
    readonly from: number;
  };
}

/** Whether any intervention was asked for. */
export function intervenes({ ablate = [], clamp = [], steer = [] }: InterventionOptions): boolean {
  return ablate.length + clamp.length + steer.length > 0;
}

/** Ablations, then clamps, then steering, each in the order given. */
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
      const told = { type, hook, feature: ref.feature, ...(name && { name }), value, from };
      chosen.push({ ref, intervention: make[type](ref, value, where), told });
    }
  }
  return chosen;
}

const make = {
  ablate: (ref: FeatureRef, to: number, where: Where) => ablate(ref, { to, ...where }),
  clamp: (ref: FeatureRef, value: number, where: Where) => clamp(ref, value, where),
  steer: (ref: FeatureRef, value: number, where: Where) => steer(ref, value, where),
};

/** The first position that is acted on: behind the begin-of-text token unless it is included. */
export function firstPosition(
  model: HookedTransformer,
  prompt: string,
  { includeSpecialTokens }: SpecialTokensFlag,
): number {
  if (includeSpecialTokens) return 0;
  return model.toTokens(prompt).ids[0] === model.tokenizer.bosTokenId ? 1 : 0;
}
