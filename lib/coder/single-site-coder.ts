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
 * A coder that reads one hook and rebuilds one: an SAE or a transcoder. Its calls have a short form
 * besides {@link Coder}'s: one tensor in, one out.
 */
export abstract class SingleSiteCoder extends Coder {
  declare readonly cfg: SingleSiteConfig;

  /** @internal */
  protected constructor(loaded: LoadedCoder<SingleSiteConfig>) {
    super(loaded);
  }

  /** What each feature listens for, in columns: [dIn, dSae]. A read-only view. */
  get W_enc(): Tensor<["d_in", "d_sae"]> {
    return this.parameter("W_enc") as Tensor<["d_in", "d_sae"]>;
  }

  /**
   * What each feature writes, in rows: [dSae, dOut]. A read-only view. Its parts remember their hook,
   * as {@link direction} does.
   */
  get W_dec(): Tensor<["d_sae", "d_out"]> {
    return this.parameter("W_dec") as Tensor<["d_sae", "d_out"]>;
  }

  /** Added to x·W_enc: [dSae]. A read-only view. */
  get b_enc(): Tensor<["d_sae"]> {
    return this.parameter("b_enc") as Tensor<["d_sae"]>;
  }

  /** Added to f·W_dec: [dOut]. A read-only view. */
  get b_dec(): Tensor<["d_out"]> {
    return this.parameter("b_dec") as Tensor<["d_out"]>;
  }

  /** What a feature must exceed before it counts, zeros for a plain ReLU: [dSae]. A read-only view. */
  get threshold(): Tensor<["d_sae"]> {
    return this.parameter("threshold") as Tensor<["d_sae"]>;
  }

  override encode(inputs: SiteTensors, options?: EncodeOptions): Promise<FeatureActs>;
  // Last: a call that does not compile is explained by this one.
  /**
   * Feature activations of x [.., dIn] (for attention coders also [.., heads, d_head]): sparse,
   * float32, exact. Padding has no features: x remembers that of its run through every operation
   * that keeps whole rows or works on elements (one that mixes rows forgets it), unless `mask` says.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 }); // what leaves block 2
   * using acts = await sae.encode(x);
   * const [strongest] = await acts.at({ position: -1 }); // of the last token
   * console.log(acts.shape, strongest?.feature); // [1, 8, 1024] 213
   *
   * @throws SHAPE for another width, or a mask of another size
   * @throws HOOK for a tensor known to come from another hook than `cfg.hookName`
   * @throws ARGUMENT for a feature id out of range, an invalid mask, or `excludeSpecialTokens` if
   *   the tokens are unknown
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
   * What the features rebuild: f·W_dec + b_dec, [.., dOut]; attention coders leave the heads
   * flattened. A coder with a skip connection needs its input `x` too, and adds x·A.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 });
   * using acts = await sae.encode(x, { features: [213, 259] }); // these two alone
   * using rebuilt = await sae.decode(acts);
   * console.log(rebuilt.shape); // [1, 8, 128]
   *
   * @throws ARGUMENT without the needed `x`; SHAPE for activations of another coder's width
   * @throws HOOK for an `x` known to come from another hook than `cfg.hookName`; DISPOSED
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
    // biome-ignore lint/suspicious/noExplicitAny: of both forms
  ): Promise<any> {
    const out = await super.decode(acts, x === undefined ? (x as never) : listed(x), options);
    return x === undefined || isTensor(x) ? first(out) : out;
  }

  /**
   * Writes the coder in a published format, in float32: Gemma Scope 1 if `path` ends in .npz, else
   * a Gemma Scope 2 folder (config.json and params.safetensors), or with `format: "sae-lens"` a
   * folder of SAELens. Each file is written to a temporary name first, then renamed. An .npz has no
   * place for the hook: if its path does not tell it, as a published one's does, load it with
   * `hookName` (a transcoder with `hookNameOut` too).
   *
   * @throws UNSUPPORTED if the format has no place for this coder (a skip in an .npz; a hook that
   *   Gemma Scope 2 does not name; `applyBDecToInput` anywhere but in SAELens' format)
   * @throws ARGUMENT for an invalid path or format; the file system's own error if it refuses
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    this.parameter("b_dec");
    await saveCoder(path, this.cfg, (name) => this.parameter(name), options);
  }
}

/** The short form's tensor as the long form takes it. */
export function listed(x: SiteTensors | Tensor): SiteTensors {
  return isTensor(x) ? [x] : x;
}

export function first(tensors: readonly Tensor[]): Tensor {
  return tensors[0] as Tensor;
}
