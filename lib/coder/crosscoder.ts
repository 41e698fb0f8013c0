import { loadMultiLayer, type MultiLayerFileOptions } from "./load-multi-layer.js";
import { MultiLayerCoder } from "./multi-layer-coder.js";

/** Options for `Crosscoder.fromFile`. */
export interface CrosscoderFileOptions extends MultiLayerFileOptions {
  /**
   * Where edits of a feature are added. "own" (default): at its encoder's site, as the residual
   * stream carries them on to the later ones. "all": at every site that it writes; what the stream
   * carries there already is then counted again.
   */
  readonly sites?: "own" | "all" | undefined;
}

/**
 * A weakly causal crosscoder, as Gemma Scope 2 has them: an encoder for each of a few layers, which
 * reads the residual stream, and decoders that rebuild the stream at that layer and the later ones:
 *
 *     out_j = Σ_{i ≤ j} f_i·W_dec[i → j] + b_dec_j
 *
 * An edit or a steering of a feature acts at the feature's own layer alone, unless it was loaded with
 * `sites: "all"`. A splice without its error term decodes the edited features at every site.
 * {@link Coder} has the verbs, which take and give one tensor for each site.
 */
export class Crosscoder extends MultiLayerCoder {
  /**
   * Loads a folder of Gemma Scope 2 (`crosscoder/layer_7_13_17_22_width_65k_l0_medium`: config.json and
   * params_layer_{i}.safetensors).
   *
   *     using crosscoder = await Crosscoder.fromFile(folder);
   *     console.log(crosscoder.cfg.reads.map((site) => site.layer)); // [7, 13, 17, 22]
   *     const { layer, index } = crosscoder.locate(20000);
   *
   * @throws NOT_FOUND if there is no such folder or file
   * @throws CHECKPOINT if a file is damaged or inconsistent, or a parameter is not finite
   * @throws UNSUPPORTED if the kind, architecture or a hook is another, naming the key
   * @throws ARGUMENT if the folder has a cross-layer transcoder, or an option is invalid
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(path: string, options: CrosscoderFileOptions = {}): Promise<Crosscoder> {
    return new Crosscoder(await loadMultiLayer("Crosscoder", path, options));
  }
}
