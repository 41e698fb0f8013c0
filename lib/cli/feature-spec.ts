import { InvalidArgumentError } from "commander";
import type { CoderConfig } from "../coder/index.js";
import { several } from "./arguments.js";

/** Where in a block a coder rebuilds, as the published folders name it. */
export const sites = ["res", "mlp", "att", "transcoder"] as const;
export type Site = (typeof sites)[number];

/** A feature on the command line: `[site/]layer:feature[:value[:from]]`. */
export interface FeatureSpec {
  readonly site?: Site;
  readonly layer: number;
  readonly feature: number;
  readonly value?: number;
  /** The first position that is acted on, negative from the prompt's end. */
  readonly from?: number;
}

/** What a value is good for in one place of the command line. */
export type ValueUse = "needed" | "optional";

const form = /^(?:(\w+)\/)?(\d+):(\d+)(?::([^:]*))?(?::([^:]*))?$/;

/** A parser for commander; wrong usage says which form is expected. */
export function featureSpec(use: ValueUse): (text: string) => FeatureSpec {
  const expected = `layer:feature${use === "needed" ? ":value[:from]" : "[:value[:from]]"}`;
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(`Expected [site/]${expected}: ${why}.`);
  };
  return (text) => {
    const [match, site, layer, feature, value, from] = form.exec(text) ?? [];
    if (match === undefined) return refuse("layer and feature are whole numbers");
    if (site !== undefined && !isSite(site)) return refuse(`site is one of ${sites.join(", ")}`);
    if (use === "needed" && !value) return refuse("the value is missing");
    if (value && !Number.isFinite(Number(value))) return refuse("value is a number");
    if (from && !Number.isSafeInteger(Number(from))) return refuse("from is a whole number");
    return {
      ...(site !== undefined && { site: site as Site }),
      layer: Number(layer),
      feature: Number(feature),
      ...(value && { value: Number(value) }),
      ...(from && { from: Number(from) }),
    };
  };
}

/** The same for an option that may be given again. */
export function featureSpecs(use: ValueUse) {
  return several(featureSpec(use));
}

export function isSite(text: string): text is Site {
  return (sites as readonly string[]).includes(text);
}

/** The site of a coder; undefined where it is none of the published ones. */
export function siteOf({ hookName, hookNameOut }: Pick<CoderConfig, "hookName" | "hookNameOut">) {
  if (hookName !== hookNameOut) return "transcoder";
  if (hookName.endsWith(".hook_resid_post")) return "res";
  if (hookName.endsWith(".hook_mlp_out")) return "mlp";
  return hookName.endsWith(".attn.hook_z") ? "att" : undefined;
}

/** A feature in the form in which it is given: `2:77`, `mlp/2:77`. */
export function showFeature(
  cfg: Pick<CoderConfig, "hookName" | "hookNameOut" | "layer">,
  feature: number,
): string {
  const site = siteOf(cfg);
  const place = cfg.layer ?? cfg.hookName;
  return `${site === undefined || site === "res" ? "" : `${site}/`}${place}:${feature}`;
}
