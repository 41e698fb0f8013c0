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

/** Adds --sae, which is repeatable, and the options that go with it. */
export function withCoders(command: Command): Command {
  return command
    .option(
      "--sae <path>",
      "a coder of Gemma Scope or SAELens: params.npz or a folder; repeatable",
      collect,
    )
    .option("--hook <name>", "the hook that the SAE reads, if the path does not imply it")
    .option(
      "--hook-out <name>",
      "the hook that a transcoder rebuilds, if the path does not imply it",
    );
}

/** The help text of commands that take features. */
export const specHelp = `
A feature is [site/]layer:feature[:value[:from]]. It belongs to the --sae coder at that layer, or without
--sae to the bundled coder (site res by default). site is res, mlp, att or transcoder.
from is the first position to act on, negative from the prompt's end.
${specialHelp}`;

/** Ends with wrong usage if the options name coders that cannot exist. */
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

/** A command's coders, from --sae or bundled with the model. Each is loaded on first use. */
export class CoderSet implements Disposable {
  readonly #caller: string;
  readonly #options: ModelOptions & CoderOptions;
  readonly #loaded = new Map<string, Coder>();
  readonly #names = new Map<Coder, ReadonlyMap<number, string>>();

  constructor(caller: string, options: ModelOptions & CoderOptions) {
    this.#caller = caller;
    this.#options = options;
  }

  /** Loads every coder of --sae, or without it the bundled coders of these layers and this site. */
  async all(layers: readonly number[], site: Site): Promise<Coder[]> {
    const paths = this.#options.sae ?? layers.map((layer) => bundledCoder({ layer, site }).path);
    const coders: Coder[] = [];
    for (const path of new Set(paths)) coders.push(await this.#load(path));
    return coders;
  }

  /**
   * Finds the feature that `spec` names.
   *
   * @throws NOT_FOUND if no coder matches, or more than one
   */
  async find(spec: FeatureSpec): Promise<FeatureRef> {
    const { site, layer, feature } = spec;
    if (this.#options.sae === undefined) {
      return (await this.#load(bundledCoder({ layer, site }).path)).feature(feature);
    }
    const all = await this.all([], "res");
    const matching = all.filter(
      ({ cfg }) => cfg.layer === layer && (site === undefined || siteOf(cfg) === site),
    );
    const [coder] = matching;
    if (coder !== undefined && matching.length === 1) return coder.feature(feature);
    const wanted = `${site === undefined ? "" : `${site}/`}${layer}`;
    const known = all.map(({ cfg }) => showFeature(cfg, 0).replace(/:0$/, ""));
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        this.#caller,
        "one --sae",
        `${wanted}:${feature}`,
        known.join(", "),
        matching.length > 1 ? " (say which by its site, as in mlp/2:7)" : "",
      ),
      { known },
    );
  }

  /** The name of a bundled coder's feature, if it has one. */
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
