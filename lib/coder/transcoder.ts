import { checkOptions } from "../errors/check-options.js";
import type { Tensor } from "../tensor/index.js";
import { Coder } from "./coder.js";
import type { AxesIn, CoderInput, RebuiltAxes } from "./coder-axes.js";
import type { TranscoderFileOptions } from "./coder-config.js";
import {
  type CoderCallOptions,
  type CoderEditOptions,
  callKeys,
  type EditFunction,
} from "./coder-options.js";
import { loadCoder } from "./load-coder.js";

/**
 * A transcoder: reads one tensor (`cfg.hookName`, an MLP's input) and rebuilds another
 * (`cfg.hookNameOut`, its output), with an affine skip connection x·A in some of Gemma Scope 2.
 *
 * Gemma Scope 1 reads `ln2.hook_normalized` (without the norm's gain), Gemma Scope 2
 * `mlp.hook_in` (with it). {@link Coder} has the equations.
 */
export class Transcoder extends Coder {
  /**
   * Loads a Gemma Scope 1 `params.npz`, a Gemma Scope 2 folder, or a folder of SAELens with a JumpReLU
   * coder (`cfg.json` and `sae_weights.safetensors`). The hooks come from config.json
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
   * @throws ARGUMENT for an SAE, or where the hooks have to be given
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(path: string, options: TranscoderFileOptions = {}): Promise<Transcoder> {
    const { handle, cfg } = await loadCoder("Transcoder", path, options);
    return new Transcoder(handle, cfg);
  }

  /** A of the skip connection x·A, [dIn, dOut]; undefined where there is none. */
  get W_skip(): Tensor<["d_in", "d_out"]> | undefined {
    if (!this.cfg.skip) return undefined;
    return this.parameter("skip") as Tensor<["d_in", "d_out"]>;
  }

  /**
   * What the transcoder takes the output to be, skip included: [.., dOut] in x's dtype.
   * Throws as {@link encode}.
   */
  async forward<T extends Tensor>(
    x: CoderInput<T>,
    options: CoderCallOptions = {},
  ): Promise<Tensor<RebuiltAxes<AxesIn<T>>>> {
    checkOptions("forward", options, callKeys);
    const out = await this.forwardNative("forward", x as Tensor, options);
    return out as Tensor<RebuiltAxes<AxesIn<T>>>;
  }

  /**
   * y − forward(x): what the transcoder does not explain of the true output y [.., dOut].
   * Throws as {@link encode}.
   */
  async error<T extends Tensor, X extends Tensor>(
    x: CoderInput<X>,
    y: T,
    options: CoderCallOptions = {},
  ): Promise<T> {
    checkOptions("error", options, callKeys);
    this.checkOutput("error", y, options.unchecked);
    return (await this.errorNative(x as Tensor, y, options)) as T;
  }

  /**
   * The output y [.., dOut] with the features of x changed and everything else kept:
   * y + (f′ − f)·W_dec, where `fn` makes f′ from f (in place, or by returning others).
   *
   * @throws as {@link encode}; what `fn` throws; SHAPE where `fn` returns activations of another coder
   */
  async edit<T extends Tensor, X extends Tensor>(
    x: CoderInput<X>,
    y: T,
    fn: EditFunction,
    options: CoderEditOptions = {},
  ): Promise<T> {
    checkOptions("edit", options, ["excludeSpecialTokens", ...callKeys]);
    this.checkOutput("edit", y, options.unchecked);
    return (await this.editNative(x as Tensor, y, fn, options)) as T;
  }
}
