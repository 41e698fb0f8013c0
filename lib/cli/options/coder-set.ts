import type { Command } from "commander";
import { isBundled } from "../../checkpoint/bundled-model.js";
import { bundledCoder } from "../../coder/bundled-coders.js";
import type { Coder, FeatureRef } from "../../coder/coder.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import { collect } from "./arguments.js";
import { namesOf } from "./feature-names.js";
import { type FeatureSpec, type Site, showFeature, siteOf } from "./feature-spec.js";
import { loadCoder } from "./load-coder.js";
import type { ModelOptions } from "./model-options.js";
import { specialHelp } from "./special-tokens.js";

export interface CoderOptions {
  readonly sae?: readonly string[];
  readonly hook?: string;
  readonly hookOut?: string;
}

/** Adds --sae, which may be given again, and what goes with it. */
export function withCoders(command: Command): Command {
  return command
    .option(
      "--sae <path>",
      "a coder of Gemma Scope or SAELens: params.npz or a folder; may be given again",
      collect,
    )
    .option("--hook <name>", "the hook that the SAE reads, where its path does not tell it")
    .option("--hook-out <name>", "the hook that a transcoder rebuilds, likewise");
}

/** Told in the help of commands that take features. */
export const specHelp = `
A feature is [site/]layer:feature[:value[:from]]. Its coder is the one of --sae at that layer; of the
bundled model, without --sae, its own. site is res (the default there), mlp, att or transcoder.
from is the first position acted on, negative from the prompt's end.
${specialHelp}`;

/** Wrong usage if coders are asked for that cannot be there. */
export function checkCoders(
  command: Command,
  options: ModelOptions & CoderOptions & { readonly layer?: unknown },
): void {
  if (options.sae !== undefined && options.layer !== undefined) {
    command.error("error: --layer chooses a bundled SAE, and cannot go with --sae");
  }
  if (options.sae !== undefined && command.getOptionValueSource("site") === "cli") {
    command.error("error: --site chooses bundled coders, and cannot go with --sae");
  }
  if (options.sae === undefined && !isBundled(options.model)) {
    command.error(`error: --sae is needed with --model ${options.model}`);
  }
  if ((options.hook ?? options.hookOut) !== undefined && options.sae?.length !== 1) {
    command.error("error: --hook and --hook-out are for exactly one --sae");
  }
}

/** The coders of a command: those of --sae, or the bundled model's own, each loaded when needed. */
export class CoderSet implements Disposable {
  readonly #caller: string;
  readonly #options: ModelOptions & CoderOptions;
  readonly #loaded = new Map<string, Coder>();
  readonly #names = new Map<Coder, ReadonlyMap<number, string>>();

  constructor(caller: string, options: ModelOptions & CoderOptions) {
    this.#caller = caller;
    this.#options = options;
  }

  /** Every coder of --sae; without it the bundled ones of these layers and this site. */
  async all(layers: readonly number[], site: Site): Promise<Coder[]> {
    const paths = this.#options.sae ?? layers.map((layer) => bundledCoder({ layer, site }).path);
    const coders: Coder[] = [];
    for (const path of new Set(paths)) coders.push(await this.#load(path));
    return coders;
  }

  /** The feature that `spec` names. NOT_FOUND for a coder that is not there or not the only one. */
  async find(spec: FeatureSpec): Promise<FeatureRef> {
    const { site, layer, feature } = spec;
    if (this.#options.sae === undefined) {
      return (await this.#load(bundledCoder({ layer, site }).path)).feature(feature);
    }
    const all = await this.all([], "res");
    const fitting = all.filter(
      ({ cfg }) => cfg.layer === layer && (site === undefined || siteOf(cfg) === site),
    );
    const [coder] = fitting;
    if (coder !== undefined && fitting.length === 1) return coder.feature(feature);
    const wanted = `${site === undefined ? "" : `${site}/`}${layer}`;
    const known = all.map(({ cfg }) => showFeature(cfg, 0).replace(/:0$/, ""));
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        this.#caller,
        "one --sae",
        `${wanted}:${feature}`,
        known.join(", "),
        fitting.length > 1 ? " (say which by its site, as in mlp/2:7)" : "",
      ),
      { known },
    );
  }

  /** What a feature of a bundled coder stands for, where that is known. */
  name({ coder, feature }: FeatureRef): string | undefined {
    let names = this.#names.get(coder);
    if (names === undefined) {
      names = namesOf(coder.cfg.path);
      this.#names.set(coder, names);
    }
    return names.get(feature);
  }

  [Symbol.dispose](): void {
    for (const coder of this.#loaded.values()) coder.dispose();
  }

  async #load(path: string): Promise<Coder> {
    const loaded = this.#loaded.get(path);
    if (loaded !== undefined) return loaded;
    const coder = await loadCoder(this.#caller, path, this.#options);
    this.#loaded.set(path, coder);
    return coder;
  }
}
