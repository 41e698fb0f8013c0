import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AxesIn, CoderInput, RebuiltAxes } from "./coder-axes.js";
import type { TranscoderFileOptions } from "./coder-config.js";
import type { CoderCallOptions, CoderEditOptions, EditFunction } from "./coder-options.js";
import { loadCoder } from "./load-coder.js";
import { first, listed, SingleSiteCoder } from "./single-site-coder.js";
import type { SiteTensors } from "./site-tensors.js";

/**
 * A transcoder: reads one tensor (`cfg.hookName`, an MLP's input) and rebuilds another
 * (`cfg.hookNameOut`, its output), with an affine skip connection x·A in some of Gemma Scope 2.
 *
 * Gemma Scope 1 reads `ln2.hook_normalized` (without the norm's gain), Gemma Scope 2
 * `mlp.hook_in` (with it). {@link Coder} has the equations.
 */
export class Transcoder extends SingleSiteCoder {
  /**
   * Loads a Gemma Scope 1 `params.npz`, a Gemma Scope 2 folder, or a folder of SAELens with a JumpReLU
   * or a ReLU coder (`cfg.json` and `sae_weights.safetensors`). The hooks come from config.json
   * or from the path where they tell them; else give `hookName` and `hookNameOut`.
   *
   * @example
   * const { path } = bundledCoder({ site: "transcoder", layer: 2 });
   * using transcoder = await Transcoder.fromFile(path);
   * const { hookName, hookNameOut } = transcoder.cfg;
   * console.log(hookName, hookNameOut); // blocks.2.ln2.hook_normalized blocks.2.hook_mlp_out
   *
   * @throws NOT_FOUND if there is no such file or hook
   * @throws CHECKPOINT for a damaged or inconsistent file, or a parameter that is not finite
   * @throws UNSUPPORTED for another kind of coder, naming the key
   * @throws ARGUMENT for an SAE, or if the hooks are required
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(path: string, options: TranscoderFileOptions = {}): Promise<Transcoder> {
    return new Transcoder(await loadCoder("Transcoder", path, options));
  }

  /** A of the skip connection x·A, [dIn, dOut]; undefined where there is none. */
  get W_skip(): Tensor<["d_in", "d_out"]> | undefined {
    if (!this.cfg.skip) return undefined;
    return this.parameter("skip") as Tensor<["d_in", "d_out"]>;
  }

  override forward(inputs: SiteTensors, options?: CoderCallOptions): Promise<Tensor[]>;
  /**
   * What the transcoder takes the output to be, skip included: [.., dOut] in x's dtype.
   * Throws as {@link encode}.
   */
  override forward<T extends Tensor>(
    x: CoderInput<T>,
    options?: CoderCallOptions,
  ): Promise<Tensor<RebuiltAxes<AxesIn<T>>>>;
  // biome-ignore lint/suspicious/noExplicitAny: of both forms
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
   * y − forward(x): what the transcoder does not explain of the true output y [.., dOut].
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
    // biome-ignore lint/suspicious/noExplicitAny: of both forms
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
   * y + (f′ − f)·W_dec, where `fn` makes f′ from f (in place, or by returning others).
   *
   * @throws as {@link encode}; what `fn` throws; SHAPE where `fn` returns activations of another coder
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
    // biome-ignore lint/suspicious/noExplicitAny: of both forms
  ): Promise<any> {
    const out = await super.edit(listed(x), listed(y), fn, options);
    return isTensor(x) ? first(out) : out;
  }
}
