import { checkOptions } from "../errors/check-options.js";
import type { Tensor } from "../tensor/index.js";
import { Coder, type CoderCallOptions, type EditFunction } from "./coder.js";
import type { CoderFileOptions } from "./coder-config.js";
import { loadCoder } from "./load-coder.js";

/**
 * A sparse autoencoder: rebuilds the tensor it reads.
 *
 * @example
 * using sae = await SAE.fromFile("layer_20/width_16k/average_l0_71/params.npz",
 *   { hookName: "blocks.20.hook_resid_post" });
 * using acts = await sae.encode(run.cache.get("blocks.20.hook_resid_post"));
 * console.log(await acts.at({ pos: -1 }));
 */
export class SAE extends Coder {
  /**
   * Loads a Gemma Scope 1 `params.npz` or a Gemma Scope 2 folder. The hook comes from config.json
   * or from the path where they tell it; else give `hookName`.
   *
   * A file that belongs to `hook_embed` is taken as the published ones are: made for embeddings
   * before they are multiplied by √d_model, so W_enc is divided and W_dec multiplied by it.
   *
   * @throws NOT_FOUND, CHECKPOINT, UNSUPPORTED; ARGUMENT for a transcoder or an unknown hook
   */
  static async fromFile(path: string, options: CoderFileOptions = {}): Promise<SAE> {
    const { handle, cfg } = await loadCoder("SAE", path, options);
    return new SAE(handle, cfg);
  }

  /** decode(encode(x)): the reconstruction, in x's shape and dtype. */
  async forward<T extends Tensor>(x: T, options: CoderCallOptions = {}): Promise<T> {
    checkOptions("forward", options, ["unchecked", "signal"]);
    return (await this.forwardNative("forward", x, options)) as T;
  }

  /** x − forward(x): what the coder does not explain. */
  async error<T extends Tensor>(x: T, options: CoderCallOptions = {}): Promise<T> {
    checkOptions("error", options, ["unchecked", "signal"]);
    return (await this.errorNative(x, x, options)) as T;
  }

  /**
   * x with its features changed and the coder's error kept: x + (f′ − f)·W_dec, where `fn` makes
   * f′ from f (in place, or by returning others). Tokens whose features stay equal stay bit for
   * bit.
   *
   * @example
   * await sae.edit(act, (acts) => { acts.zero(3124).set(77, 40, { positions: -1 }); })
   */
  async edit<T extends Tensor>(x: T, fn: EditFunction, options: CoderCallOptions = {}): Promise<T> {
    checkOptions("edit", options, ["unchecked", "signal"]);
    return (await this.editNative(x, x, fn, options)) as T;
  }
}
