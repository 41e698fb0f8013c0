import { inspect } from "node:util";
import { argument, checkOptions } from "../errors/check-options.js";
import { DisposedError } from "../errors/disposed-error.js";
import type { CoderHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { ownIdentity } from "../native/identity.js";
import { disown } from "../native/scope.js";
import { adopt, setOrigin } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  type CallTarget,
  decodeSites,
  editSites,
  encodeSites,
  errorSites,
  forwardSites,
} from "./coder-calls.js";
import type { CoderConfig } from "./coder-config.js";
import type { FeatureSites, LoadedCoder } from "./coder-layout.js";
import {
  type CoderCallOptions,
  type CoderEditOptions,
  callKeys,
  type DecodeOptions,
  type EditFunction,
  type EncodeOptions,
} from "./coder-options.js";
import { type CoderReference, referenceOf } from "./coder-reference.js";
import { checkFeature, type FeatureActs } from "./feature-acts.js";
import { siteNames } from "./site.js";
import { type SiteTensors, tensorsAt } from "./site-tensors.js";

/** One feature of one coder, as interventions and attribution targets name it. */
export interface FeatureRef<Owner extends Coder = Coder> {
  /** The coder that has it. */
  readonly coder: Owner;
  /** Its id, 0 to dSae − 1. */
  readonly feature: number;
}

/** A feature's block, and its index there. */
export interface FeatureLocation {
  /** The block whose encoder has the feature; undefined for a coder of `hook_embed`. */
  readonly layer: number | undefined;
  /** Its index in that encoder. */
  readonly index: number;
}

export type ParameterName = "W_enc" | "W_dec" | "b_enc" | "b_dec" | "threshold" | "skip";

interface Internals {
  readonly target: CallTarget;
  readonly features: readonly FeatureSites[];
  readonly files: readonly string[];
}

/** Friend access, as in tensor.ts. */
interface Access {
  internals(coder: Coder): Internals;
  parameter(coder: Coder, name: ParameterName, read: number, write: number): Tensor;
}
let access!: Access;

/**
 * A trained coder of any number of sites: the base class of SAEs and transcoders, for scripts that
 * work with every kind. It has an encoder for each hook that it reads, and a decoder for each hook
 * that it writes. Feature ids count through the encoders.
 *
 *     pre = x·W_enc + b_enc      f = pre where pre > max(threshold, 0), else 0
 *     out = Σ f·W_dec + b_dec    (+ x·A if the coder has an affine skip connection)
 *
 * A plain ReLU coder has thresholds of 0. With `cfg.applyBDecToInput` (coders saved by SAELens),
 * pre = (x − b_dec)·W_enc + b_enc.
 * (Rajamanoharan et al. 2024, arXiv 2407.14435; Lieberum et al. 2024, arXiv 2408.05147.)
 * The parameters are read-only and belong to the coder.
 */
export abstract class Coder implements Disposable {
  /** The coder's kind, sites, sizes and origin. */
  readonly cfg: CoderConfig;
  protected readonly identity = ownIdentity();
  readonly #handle: CoderHandle;
  readonly #internals: Internals;
  readonly #parameters = new Map<string, Tensor>();
  #disposed = false;

  static {
    access = {
      internals: (coder) => coder.#internals,
      parameter: (coder, name, read, write) => coder.parameter(name, read, write),
    };
  }

  /** @internal */
  protected constructor({ handle, cfg, features, files }: LoadedCoder) {
    this.#handle = handle;
    this.#internals = { target: { cfg, handle: (caller) => this.#alive(caller) }, features, files };
    this.cfg = cfg;
  }

  /** Whether `dispose()` was called. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /**
   * Feature activations of the tensors at `cfg.reads`: sparse, float32, exact. Padding has no
   * features, as for an SAE.
   *
   * @throws NOT_FOUND if a run, cache or record lacks a hook; ARGUMENT if the number of tensors is
   *   wrong
   * @throws SHAPE, HOOK, ARGUMENT, DISPOSED, DEVICE as an SAE's `encode`
   */
  async encode(inputs: SiteTensors, options: EncodeOptions = {}): Promise<FeatureActs> {
    checkOptions("encode", options, ["features", "excludeSpecialTokens", ...callKeys]);
    return encodeSites(this.#internals.target, this.#inputs("encode", inputs), options);
  }

  /**
   * The reconstructions in the order of `cfg.writes`: Σ f·W_dec + b_dec, plus x·A of the inputs if
   * `cfg.skip`.
   *
   * @throws SHAPE if the activations are of another width than the coder's; as {@link encode}
   */
  async decode(
    acts: FeatureActs,
    inputs: SiteTensors,
    options: DecodeOptions = {},
  ): Promise<Tensor[]> {
    checkOptions("decode", options, ["unchecked", "signal"]);
    const given = inputs as SiteTensors | undefined;
    const xs = given === undefined ? undefined : this.#inputs("decode", given);
    return decodeSites(this.#internals.target, acts, xs, options);
  }

  /** decode(encode(inputs)), in the dtype of the first input. Throws as {@link encode}. */
  async forward(inputs: SiteTensors, options: CoderCallOptions = {}): Promise<Tensor[]> {
    checkOptions("forward", options, callKeys);
    return forwardSites(
      "forward",
      this.#internals.target,
      this.#inputs("forward", inputs),
      options,
    );
  }

  /**
   * outputs − forward(inputs), in the order of `cfg.writes`: the part that the coder does not
   * explain. Both may be the same run or cache. Throws as {@link encode}.
   */
  async error(
    inputs: SiteTensors,
    outputs: SiteTensors,
    options: CoderCallOptions = {},
  ): Promise<Tensor[]> {
    checkOptions("error", options, callKeys);
    const xs = this.#inputs("error", inputs);
    return errorSites(this.#internals.target, xs, this.#outputs("error", outputs), options);
  }

  /**
   * The outputs with the features changed and everything else kept, in the order of `cfg.writes`:
   * y + (f′ − f)·W_dec, where `fn` maps f to f′ (in place, or by returning others). A site where
   * edits of a feature are not added keeps its y.
   *
   * @throws as {@link encode}; what `fn` throws; SHAPE if `fn` returns activations of another coder
   */
  async edit(
    inputs: SiteTensors,
    outputs: SiteTensors,
    fn: EditFunction,
    options: CoderEditOptions = {},
  ): Promise<Tensor[]> {
    checkOptions("edit", options, ["excludeSpecialTokens", ...callKeys]);
    const xs = this.#inputs("edit", inputs);
    return editSites(this.#internals.target, xs, this.#outputs("edit", outputs), fn, options);
  }

  /**
   * A feature's direction, read-only: its column of W_enc ([width] of its read site), or its row of
   * W_dec at a write site. The direction remembers its hook: `steer`, `project` and `readout`
   * refuse it at a point of another space.
   *
   * @param write index in `cfg.writes`; required if the coder writes several sites
   * @throws ARGUMENT if `feature` is out of range, or `write` is not a site that it writes
   */
  direction(feature: number, side: "encoder" | "decoder" = "decoder", write?: number): Tensor {
    checkFeature("direction", feature, this.cfg.dSae);
    if (side !== "encoder" && side !== "decoder") {
      throw argument("direction", '"encoder" or "decoder"', "side", JSON.stringify(side));
    }
    const read = encoderOf(this, feature);
    const { first, decodes } = this.#internals.features[read] as FeatureSites;
    const index = feature - first;
    if (side === "encoder") return this.parameter("W_enc", read).select(1, index);
    const site = write ?? (this.cfg.writes.length === 1 ? 0 : -1);
    if (!decodes.includes(site)) {
      throw argument("direction", `one of ${decodes.join(", ")}`, "write", String(write ?? "none"));
    }
    const handle = this.#alive("direction");
    const row = adopt(call("direction", (addon) => addon.coderDecoderRow(handle, feature, site)));
    setOrigin(row, { hook: this.cfg.writes[site]?.hookName ?? "", model: this.cfg.modelName });
    return row;
  }

  /**
   * A reference to one feature, for interventions and targets.
   *
   * @example
   * const interventions = [ablate(sae.feature(213))];
   * console.log(await model.generate(text, { interventions, temperature: 0 }).text());
   *
   * @throws ARGUMENT if `feature` is out of range
   */
  feature(feature: number): FeatureRef<this> {
    checkFeature("feature", feature, this.cfg.dSae);
    return { coder: this, feature };
  }

  /**
   * The block of a feature and its index there. Ids count through the encoders of `cfg.reads`.
   *
   * @example
   * console.log(sae.locate(213)); // { layer: 2, index: 213 }
   *
   * @throws ARGUMENT if `feature` is out of range
   */
  locate(feature: number): FeatureLocation {
    checkFeature("locate", feature, this.cfg.dSae);
    const read = encoderOf(this, feature);
    const { first } = this.#internals.features[read] as FeatureSites;
    return { layer: this.cfg.reads[read]?.layer, index: feature - first };
  }

  /** Frees the parameters once pending calls have finished. Later use throws DisposedError. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const tensor of this.#parameters.values()) tensor.dispose();
    this.#parameters.clear();
    call("dispose", (addon) => addon.dispose(this.#handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The coder's identity for `JSON.stringify`: release and id if published, else its path. */
  toJSON(): CoderReference {
    return referenceOf(this.cfg);
  }

  [inspect.custom](): string {
    const { cfg } = this;
    const [reads, writes] = [siteNames(cfg.reads), siteNames(cfg.writes)];
    const widths = (sites: typeof cfg.reads) => [...new Set(sites.map(({ width }) => width))];
    const parts = [
      `${widths(cfg.reads)} → ${cfg.dSae} → ${widths(cfg.writes)}`,
      cfg.architecture,
      ...(cfg.skip ? ["skip"] : []),
      `${cfg.dtype} ${cfg.device}`,
      ...(cfg.l0 === undefined ? [] : [`L0 ${cfg.l0}`]),
    ];
    const name = `${this.constructor.name} ${cfg.modelName ?? ""}`.trim();
    const hooks = reads === writes ? reads : `${reads} → ${writes}`;
    return `${name} ${hooks} (${parts.join(", ")})${this.#disposed ? " (disposed)" : ""}`;
  }

  /** A parameter of the encoder of a read site, or of the decoder of a write site. */
  protected parameter(name: ParameterName, read = 0, write = 0): Tensor {
    const handle = this.#alive(name);
    const key = `${name} ${read} ${write}`;
    const known = this.#parameters.get(key);
    if (known !== undefined && !known.isDisposed) return known;
    const tensor = adopt(call(name, (addon) => addon.coderParameter(handle, name, read, write)));
    // The first use may be inside a hook or a tidy, but the coder owns the tensor.
    disown(tensor);
    const { reads, writes, modelName } = this.cfg;
    const site = { W_enc: reads[read], W_dec: writes[write], b_dec: writes[write] }[name as string];
    if (site !== undefined) setOrigin(tensor, { hook: site.hookName, model: modelName });
    this.#parameters.set(key, tensor);
    return tensor;
  }

  #inputs(caller: string, given: SiteTensors): readonly Tensor[] {
    this.#alive(caller);
    return tensorsAt(caller, given, this.cfg.reads, "inputs");
  }

  #outputs(caller: string, given: SiteTensors): readonly Tensor[] {
    return tensorsAt(caller, given, this.cfg.writes, "outputs");
  }

  #alive(caller: string): CoderHandle {
    if (this.#disposed) throw new DisposedError(`${caller}: the coder was disposed`);
    return this.#handle;
  }
}

/** @internal The native coder; throws DisposedError. */
export function coderHandle(coder: Coder, caller: string): CoderHandle {
  return access.internals(coder).target.handle(caller);
}

/** @internal The features of each read site, and the sites that they write. */
export function featureSitesOf(coder: Coder): readonly FeatureSites[] {
  return access.internals(coder).features;
}

/** @internal The read site whose encoder has a feature. */
export function encoderOf(coder: Coder, feature: number): number {
  return featureSitesOf(coder).findLastIndex(({ first }) => first <= feature);
}

/** @internal The parameter files. */
export function coderFiles(coder: Coder): readonly string[] {
  return access.internals(coder).files;
}

/** @internal A parameter of one read site and one write site, borrowed. */
export function coderParameter(
  coder: Coder,
  name: ParameterName,
  read: number,
  write: number,
): Tensor {
  return access.parameter(coder, name, read, write);
}
