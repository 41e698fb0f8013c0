import { InvalidArgumentError } from "commander";
import type { CoderConfig } from "../../coder/coder-config.js";
import { hooksOf } from "../../coder/site.js";
import { finiteNumber, several, wholeNumber } from "./arguments.js";

/** The sites in a block that a coder may reconstruct, as the published folders name them. */
export const sites = ["res", "mlp", "att", "transcoder"] as const;
export type Site = (typeof sites)[number];

/** A feature on the command line: `[site/]layer:feature[:value[:from]]`. */
export interface FeatureSpec {
  readonly site?: Site;
  readonly layer: number;
  readonly feature: number;
  readonly value?: number;
  /** The first position to act on, negative from the prompt's end. */
  readonly from?: number;
}

/** Whether an argument takes a value with the feature. */
export type ValueUse = "needed" | "optional" | "none";

const tails = { needed: ":value[:from]", optional: "[:value[:from]]", none: "" } as const;

/** Makes a commander parser for a feature. The error of wrong usage names the invalid part. */
export function featureSpec(use: ValueUse): (text: string) => FeatureSpec {
  const form = `[site/]layer:feature${tails[use]}`;
  const most = use === "none" ? 2 : 4;
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(`Expected ${form}: ${why}.`);
  };
  const natural = (name: string, text: string): number => {
    const value = /^\d+$/.test(text) ? wholeNumber(text) : undefined;
    return value ?? refuse(`${name} is a whole number, got ${JSON.stringify(text)}`);
  };
  return (text) => {
    const slash = text.lastIndexOf("/");
    const site = slash < 0 ? undefined : text.slice(0, slash);
    const parts = text.slice(slash + 1).split(":");
    const [layer = "", feature, value, from] = parts;
    if (site !== undefined && !isSite(site)) {
      return refuse(`site is one of ${sites.join(", ")}, got ${JSON.stringify(site)}`);
    }
    if (text.trim() === "") return refuse("it is empty");
    if (feature === undefined) return refuse(`no ":" after the layer, in ${JSON.stringify(text)}`);
    if (parts.length > most) {
      return refuse(`at most ${most} parts with ":" between them, got ${parts.length}`);
    }
    const spec = { layer: natural("layer", layer), feature: natural("feature", feature) };
    if (use === "needed" && !value) return refuse("the value is missing");
    const amount = value ? finiteNumber(value) : undefined;
    if (value && amount === undefined) {
      return refuse(`value is a number, got ${JSON.stringify(value)}`);
    }
    const first = from === undefined ? undefined : wholeNumber(from);
    if (from !== undefined && first === undefined) {
      return refuse(`from is a whole number, got ${JSON.stringify(from)}`);
    }
    return {
      ...(site !== undefined && { site }),
      ...spec,
      ...(amount !== undefined && { value: amount }),
      ...(first !== undefined && { from: first }),
    };
  };
}

/** Makes the same parser for a repeatable option. */
export function featureSpecs(use: ValueUse) {
  return several(featureSpec(use));
}

export function isSite(text: string): text is Site {
  return (sites as readonly string[]).includes(text);
}

/** The site of a coder; undefined if it is not a published one. */
export function siteOf(cfg: Pick<CoderConfig, "reads" | "writes">) {
  const { hookName, hookNameOut } = hooksOf(cfg);
  if (hookName !== hookNameOut) return "transcoder";
  if (hookName.endsWith(".hook_resid_post")) return "res";
  if (hookName.endsWith(".hook_mlp_out")) return "mlp";
  return hookName.endsWith(".attn.hook_z") ? "att" : undefined;
}

/** Names a coder by its site and layer: `res/2`. */
export function coderLabel(cfg: Pick<CoderConfig, "reads" | "writes" | "layer">): string {
  return cfg.layer === undefined ? hooksOf(cfg).hookName : `${siteOf(cfg) ?? "other"}/${cfg.layer}`;
}

/** Writes a feature in the form that the command line takes: `2:77`, `mlp/2:77`. */
export function showFeature(
  cfg: Pick<CoderConfig, "reads" | "writes" | "layer">,
  feature: number,
): string {
  const site = siteOf(cfg);
  const layer = cfg.layer ?? hooksOf(cfg).hookName;
  return `${site === undefined || site === "res" ? "" : `${site}/`}${layer}:${feature}`;
}
