import { checkOptions } from "../errors/check-options.js";
import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AxesIn, CoderInput, RebuiltAxes } from "./coder-axes.js";
import type { SingleSiteConfig, TranscoderFileOptions } from "./coder-config.js";
import type { LoadedCoder } from "./coder-layout.js";
import type { CoderCallOptions, CoderEditOptions, EditFunction } from "./coder-options.js";
import { fetchCoder } from "./fetch-coder.js";
import { loadSingleSite } from "./load-single-site.js";
import { type PretrainedOptions, pretrainedKeys } from "./pretrained-options.js";
import { first, listed, SingleSiteCoder } from "./single-site-coder.js";
import type { SiteTensors } from "./site-tensors.js";

/**
 * A transcoder reads one tensor (`cfg.hookName`, an MLP's input) and rebuilds another
 * (`cfg.hookNameOut`, the MLP's output). Some of Gemma Scope 2 have an affine skip connection x·A.
 *
 * Gemma Scope 1 reads `ln2.hook_normalized` (without the norm's gain), Gemma Scope 2
 * `mlp.hook_in` (with it). {@link Coder} has the equations.
 */
export class Transcoder extends SingleSiteCoder {
  /**
   * Loads a Gemma Scope 1 `params.npz`, a Gemma Scope 2 folder, or an SAELens folder with a
   * JumpReLU or a ReLU coder (`cfg.json` and `sae_weights.safetensors`). The hooks are inferred
   * from config.json or the path; if neither names them, `hookName` and `hookNameOut` are required.
   *
   * @example
   * const { path } = bundledCoder({ site: "transcoder", layer: 2 });
   * using transcoder = await Transcoder.fromFile(path);
   * const { hookName, hookNameOut } = transcoder.cfg;
   * console.log(hookName, hookNameOut); // blocks.2.ln2.hook_normalized blocks.2.hook_mlp_out
   *
   * @throws NOT_FOUND if the file or a hook does not exist
   * @throws CHECKPOINT if the file is damaged or inconsistent, or a parameter is not finite
   * @throws UNSUPPORTED if the coder is of another kind, naming the key
   * @throws ARGUMENT if the file is an SAE, or the hooks are required
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(path: string, options: TranscoderFileOptions = {}): Promise<Transcoder> {
    return new Transcoder(await loadSingleSite("Transcoder.fromFile", "Transcoder", path, options));
  }

  /**
   * Loads a published transcoder by SAELens' names of its release and id, fetching its files into the
   * Hugging Face cache unless they are there. `release` may also be a repository, or a local folder laid
   * out like one; `id` is then a path in it. {@link listCoders} lists the names.
   *
   *     const [release, id] = ["gemma-scope-2b-pt-transcoders", "layer_20/width_16k/average_l0_11"];
   *     using transcoder = await Transcoder.fromPretrained(release, id);
   *     console.log(transcoder.cfg.hookName, transcoder.cfg.hookNameOut);
   *
   * @throws NOT_FOUND if the release or id does not exist, with the nearest names; if the file is not
   *   cached and the call is offline
   * @throws DOWNLOAD if a file can't be fetched; `fields.problem` says why
   * @throws ARGUMENT if it is another kind of coder; as {@link Transcoder.fromFile}
   */
  static async fromPretrained(
    release: string,
    id: string,
    options: PretrainedOptions = {},
  ): Promise<Transcoder> {
    const caller = "Transcoder.fromPretrained";
    checkOptions(caller, options, pretrainedKeys);
    const { path, entry } = await fetchCoder(caller, "transcoder", release, id, options);
    const { device, dtype, signal } = options;
    return Transcoder.of(
      await loadSingleSite(caller, "Transcoder", path, { device, dtype, signal }, entry),
    );
  }

  /** @internal */
  static of(loaded: LoadedCoder<SingleSiteConfig>): Transcoder {
    return new Transcoder(loaded);
  }

  /** A of the skip connection x·A, [dIn, dOut]; undefined without one. */
  get W_skip(): Tensor<["d_in", "d_out"]> | undefined {
    if (!this.cfg.skip) return undefined;
    return this.parameter("skip") as Tensor<["d_in", "d_out"]>;
  }

  override forward(inputs: SiteTensors, options?: CoderCallOptions): Promise<Tensor[]>;
  /**
   * The transcoder's prediction of the output, skip included: [.., dOut] in x's dtype. Throws as
   * {@link encode}.
   */
  override forward<T extends Tensor>(
    x: CoderInput<T>,
    options?: CoderCallOptions,
  ): Promise<Tensor<RebuiltAxes<AxesIn<T>>>>;
  // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  override async forward(x: SiteTensors | Tensor, options?: CoderCallOptions): Promise<any> {
    const out = await super.forward(listed(x), options);
    return isTensor(x) ? first(out) : out;
  }

  override error(
    inputs: SiteTensors,
    outputs: SiteTensors,
    options?: CoderCallOptions,
  ): Promise<Tensor[]>;
  /**
   * y − forward(x): the part of the true output y [.., dOut] that the transcoder does not explain.
   * Throws as {@link encode}.
   */
  override error<T extends Tensor, X extends Tensor>(
    x: CoderInput<X>,
    y: T,
    options?: CoderCallOptions,
  ): Promise<T>;
  override async error(
    x: SiteTensors | Tensor,
    y: SiteTensors | Tensor,
    options?: CoderCallOptions,
    // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  ): Promise<any> {
    const out = await super.error(listed(x), listed(y), options);
    return isTensor(x) ? first(out) : out;
  }

  override edit(
    inputs: SiteTensors,
    outputs: SiteTensors,
    fn: EditFunction,
    options?: CoderEditOptions,
  ): Promise<Tensor[]>;
  /**
   * The output y [.., dOut] with the features of x changed and everything else kept:
   * y + (f′ − f)·W_dec, where `fn` maps f to f′ (in place, or by returning others).
   *
   * @throws as {@link encode}; what `fn` throws; SHAPE if `fn` returns activations of another coder
   */
  override edit<T extends Tensor, X extends Tensor>(
    x: CoderInput<X>,
    y: T,
    fn: EditFunction,
    options?: CoderEditOptions,
  ): Promise<T>;
  override async edit(
    x: SiteTensors | Tensor,
    y: SiteTensors | Tensor,
    fn: EditFunction,
    options?: CoderEditOptions,
    // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  ): Promise<any> {
    const out = await super.edit(listed(x), listed(y), fn, options);
    return isTensor(x) ? first(out) : out;
  }
}
