import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import { Coder } from "./coder.js";
import type { AxesIn, CoderInput, RebuiltAxes } from "./coder-axes.js";
import type { SingleSiteConfig } from "./coder-config.js";
import type { LoadedCoder } from "./coder-layout.js";
import type { DecodeOptions, EncodeOptions } from "./coder-options.js";
import type { FeatureActs } from "./feature-acts.js";
import { type SaveOptions, saveCoder } from "./save-coder.js";
import type { SiteTensors } from "./site-tensors.js";

/**
 * A coder that reads one hook and rebuilds one: an SAE or a transcoder. Its calls also have a short
 * form: one tensor in, one out.
 */
export abstract class SingleSiteCoder extends Coder {
  declare readonly cfg: SingleSiteConfig;

  /** @internal */
  protected constructor(loaded: LoadedCoder<SingleSiteConfig>) {
    super(loaded);
  }

  /** The encoder, one column per feature: [dIn, dSae]. A read-only view. */
  get W_enc(): Tensor<["d_in", "d_sae"]> {
    return this.parameter("W_enc") as Tensor<["d_in", "d_sae"]>;
  }

  /**
   * The decoder, one row per feature: [dSae, dOut]. A read-only view. Its rows remember their hook,
   * as {@link direction} does.
   */
  get W_dec(): Tensor<["d_sae", "d_out"]> {
    return this.parameter("W_dec") as Tensor<["d_sae", "d_out"]>;
  }

  /** The encoder bias, added to x·W_enc: [dSae]. A read-only view. */
  get b_enc(): Tensor<["d_sae"]> {
    return this.parameter("b_enc") as Tensor<["d_sae"]>;
  }

  /** The decoder bias, added to f·W_dec: [dOut]. A read-only view. */
  get b_dec(): Tensor<["d_out"]> {
    return this.parameter("b_dec") as Tensor<["d_out"]>;
  }

  /** A feature is active above its threshold: [dSae], zeros for a plain ReLU. A read-only view. */
  get threshold(): Tensor<["d_sae"]> {
    return this.parameter("threshold") as Tensor<["d_sae"]>;
  }

  override encode(inputs: SiteTensors, options?: EncodeOptions): Promise<FeatureActs>;
  // This overload is last because the compiler explains a failing call by the last one.
  /**
   * Feature activations of x [.., dIn] (for attention coders also [.., heads, d_head]): sparse,
   * float32, exact. Padding has no features. Unless you give `mask`, x remembers the padding of its
   * run through operations that keep whole rows or work on elements; one that mixes rows forgets
   * it.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 }); // what leaves block 2
   * using acts = await sae.encode(x);
   * const [strongest] = await acts.at({ position: -1 }); // of the last token
   * console.log(acts.shape, strongest?.feature); // [1, 8, 1024] 213
   *
   * @throws SHAPE if the width or the mask's size is wrong
   * @throws HOOK if x is known to come from another hook than `cfg.hookName`
   * @throws ARGUMENT if a feature id is out of range, the mask is invalid, or
   *   `excludeSpecialTokens` is given and the tokens are unknown
   * @throws DISPOSED, DEVICE
   */
  override encode<T extends Tensor>(
    x: CoderInput<T>,
    options?: EncodeOptions,
  ): Promise<FeatureActs<AxesIn<T>>>;
  override async encode(x: SiteTensors | Tensor, options?: EncodeOptions): Promise<FeatureActs> {
    return super.encode(listed(x), options);
  }

  override decode(
    acts: FeatureActs,
    inputs: SiteTensors,
    options?: DecodeOptions,
  ): Promise<Tensor[]>;
  /**
   * The reconstruction f·W_dec + b_dec, [.., dOut], with flattened heads for attention coders. A
   * coder with a skip connection also needs its input `x`, and adds x·A.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 });
   * using acts = await sae.encode(x, { features: [213, 259] }); // these two alone
   * using rebuilt = await sae.decode(acts);
   * console.log(rebuilt.shape); // [1, 8, 128]
   *
   * @throws ARGUMENT if `x` is needed and missing; SHAPE if the activations are of another width
   * @throws HOOK if `x` is known to come from another hook than `cfg.hookName`; DISPOSED
   */
  override decode<const Axes extends readonly string[]>(
    acts: FeatureActs<Axes>,
    x?: Tensor,
    options?: DecodeOptions,
  ): Promise<Tensor<RebuiltAxes<Axes>>>;
  override async decode(
    acts: FeatureActs,
    x?: SiteTensors | Tensor,
    options?: DecodeOptions,
    // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  ): Promise<any> {
    const out = await super.decode(acts, x === undefined ? (x as never) : listed(x), options);
    return x === undefined || isTensor(x) ? first(out) : out;
  }

  /**
   * Writes the coder in a published format, in float32: Gemma Scope 1 if `path` ends in .npz, else
   * a Gemma Scope 2 folder (config.json and params.safetensors), or with `format: "sae-lens"` a
   * folder of SAELens. Each file is moved into place by an atomic rename. An .npz does not store
   * the hook: unless its path names the hook, as published paths do, load it with `hookName` (a
   * transcoder with `hookNameOut` too).
   *
   * @throws UNSUPPORTED if the format can't store this coder (a skip in an .npz; a hook that Gemma
   *   Scope 2 does not name; `applyBDecToInput` in a format other than SAELens')
   * @throws ARGUMENT if the path or the format is invalid; the file system's error if writing fails
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    this.parameter("b_dec");
    await saveCoder(path, this.cfg, (name) => this.parameter(name), options);
  }
}

/** Converts the short form's tensor to the long form. */
export function listed(x: SiteTensors | Tensor): SiteTensors {
  return isTensor(x) ? [x] : x;
}

export function first(tensors: readonly Tensor[]): Tensor {
  return tensors[0] as Tensor;
}
