import { checkOptions } from "../errors/check-options.js";
import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { CoderInput } from "./coder-axes.js";
import type { CoderFileOptions, SingleSiteConfig } from "./coder-config.js";
import type { LoadedCoder } from "./coder-layout.js";
import type { CoderCallOptions, CoderEditOptions, EditFunction } from "./coder-options.js";
import { fetchCoder } from "./fetch-coder.js";
import { loadSingleSite } from "./load-single-site.js";
import { type PretrainedOptions, pretrainedKeys } from "./pretrained-options.js";
import { first, listed, SingleSiteCoder } from "./single-site-coder.js";
import type { SiteTensors } from "./site-tensors.js";

/**
 * A sparse autoencoder, which rebuilds the tensor that it reads. {@link Coder} has the equations.
 */
export class SAE extends SingleSiteCoder {
  /**
   * Loads a Gemma Scope 1 `params.npz`, a Gemma Scope 2 folder, or an SAELens folder with a
   * JumpReLU or a ReLU coder (`cfg.json` and `sae_weights.safetensors`). The hook is inferred from
   * config.json or the path; if neither names it, `hookName` is required.
   *
   * Gemma Scope's coders of `hook_embed` were trained on embeddings before the factor √d_model, so
   * loading one divides W_enc by √d_model and multiplies W_dec by it.
   *
   * @example
   * const { path } = bundledCoder({ layer: 2 }); // …/res/layer_2/width_1k/average_l0_15/params.npz
   * using sae = await SAE.fromFile(path);
   * console.log(sae.cfg.hookName, sae.cfg.dSae); // blocks.2.hook_resid_post 1024
   *
   * @throws NOT_FOUND if the file or the hook does not exist
   * @throws CHECKPOINT if the file is damaged or inconsistent, or a parameter is not finite
   * @throws UNSUPPORTED if the coder is of another kind, naming the key
   * @throws ARGUMENT if the file is a transcoder, or `hookName` is required
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(path: string, options: CoderFileOptions = {}): Promise<SAE> {
    return new SAE(await loadSingleSite("SAE.fromFile", "SAE", path, options));
  }

  /**
   * Loads a published SAE by SAELens' names of its release and id, fetching its files into the
   * Hugging Face cache unless they are there. `release` may also be a repository, or a local folder laid
   * out like one; `id` is then a path in it. {@link listCoders} lists the names.
   *
   *     const [release, id] = ["gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71"];
   *     using sae = await SAE.fromPretrained(release, id);
   *     console.log(sae.cfg.hookName, sae.cfg.neuronpediaId);
   *
   * @throws NOT_FOUND if the release or id does not exist, with the nearest names; if the file is not
   *   cached and the call is offline
   * @throws DOWNLOAD if a file can't be fetched; `fields.problem` says why
   * @throws ARGUMENT if it is another kind of coder; as {@link SAE.fromFile}
   */
  static async fromPretrained(
    release: string,
    id: string,
    options: PretrainedOptions = {},
  ): Promise<SAE> {
    const caller = "SAE.fromPretrained";
    checkOptions(caller, options, pretrainedKeys);
    const { path, entry } = await fetchCoder(caller, "sae", release, id, options);
    const { device, dtype, signal } = options;
    return SAE.of(await loadSingleSite(caller, "SAE", path, { device, dtype, signal }, entry));
  }

  /** @internal */
  static of(loaded: LoadedCoder<SingleSiteConfig>): SAE {
    return new SAE(loaded);
  }

  override forward(inputs: SiteTensors, options?: CoderCallOptions): Promise<Tensor[]>;
  /**
   * decode(encode(x)): the reconstruction, in x's shape and dtype. Throws as {@link encode}.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 }); // what leaves block 2
   * using rebuilt = await sae.forward(x);
   * console.log(rebuilt.shape); // [1, 8, 128]
   */
  override forward<T extends Tensor>(x: CoderInput<T>, options?: CoderCallOptions): Promise<T>;
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
   * x − forward(x), the part that the coder does not explain. Throws as {@link encode}.
   *
   * @example
   * using x = await model.forward(text, { stopAtLayer: 3 });
   * using error = await sae.error(x);
   * console.log(error.norm().item(), x.norm().item());
   */
  override error<T extends Tensor>(x: CoderInput<T>, options?: CoderCallOptions): Promise<T>;
  override async error(
    x: SiteTensors | Tensor,
    outputs?: SiteTensors | CoderCallOptions,
    options?: CoderCallOptions,
    // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  ): Promise<any> {
    if (!isTensor(x)) return super.error(x, outputs as SiteTensors, options);
    const xs = [x];
    return first(await super.error(xs, xs, outputs as CoderCallOptions | undefined));
  }

  override edit(
    inputs: SiteTensors,
    outputs: SiteTensors,
    fn: EditFunction,
    options?: CoderEditOptions,
  ): Promise<Tensor[]>;
  /**
   * x with its features changed and the coder's error kept: x + (f′ − f)·W_dec, where `fn` maps f
   * to f′ (in place, or by returning others). Tokens whose features do not change stay
   * bit-identical.
   *
   * @example
   * const quiet = hook(sae.cfg.hookName, (act) =>
   *   sae.edit(act, (acts) => void acts.zero(213).set(452, 5, { positions: -1 })),
   * );
   * console.log(await model.generate(text, { hooks: [quiet], temperature: 0 }).text());
   *
   * @throws as {@link encode}; what `fn` throws; SHAPE if `fn` returns activations of another coder
   */
  override edit<T extends Tensor>(
    x: CoderInput<T>,
    fn: EditFunction,
    options?: CoderEditOptions,
  ): Promise<T>;
  override async edit(
    x: SiteTensors | Tensor,
    outputs: SiteTensors | EditFunction,
    fn?: EditFunction | CoderEditOptions,
    options?: CoderEditOptions,
    // biome-ignore lint/suspicious/noExplicitAny: the result of either form
  ): Promise<any> {
    if (!isTensor(x)) {
      return super.edit(x, outputs as SiteTensors, fn as EditFunction, options);
    }
    const short = fn as CoderEditOptions | undefined;
    const xs = [x];
    return first(await super.edit(xs, xs, outputs as EditFunction, short));
  }
}
