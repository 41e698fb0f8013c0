import { loadMultiLayer, type MultiLayerFileOptions } from "./load-multi-layer.js";
import { MultiLayerCoder } from "./multi-layer-coder.js";

/**
 * A cross-layer transcoder: an encoder for each layer, which reads the MLP's input, and decoders that
 * rebuild the MLP outputs of that layer and all later ones. Layer L's output is rebuilt from the
 * features of layers 0 to L:
 *
 *     out_L = Σ_{l ≤ L} f_l·W_dec[l → L] + b_dec_L    (+ x_L·A_L with affine skips)
 *
 * An edit of a feature is added at every layer that it writes. {@link Coder} has the verbs, which
 * take one tensor for each of `cfg.reads` and give one for each of `cfg.writes`.
 * (Ameisen et al. 2025, "Circuit Tracing".)
 */
export class CrossLayerTranscoder extends MultiLayerCoder {
  /**
   * Loads a folder of Gemma Scope 2 (`clt/width_262k_l0_medium_affine`: config.json and
   * params_layer_{i}.safetensors), or one as circuit-tracer reads it (`mntss/clt-gemma-2-2b-426k`:
   * config.yaml, W_enc_{i}.safetensors and W_dec_{i}.safetensors).
   *
   *     using clt = await CrossLayerTranscoder.fromFile(folder);
   *     using run = await model.runWithCache(text, { names: clt.cfg.reads.map((site) => site.hookName) });
   *     using acts = await clt.encode(run);
   *     const outputs = await clt.decode(acts, run); // one for each layer
   *
   * @throws NOT_FOUND if there is no such folder or file
   * @throws CHECKPOINT if a file is damaged or inconsistent, or a parameter is not finite
   * @throws UNSUPPORTED if the kind, architecture or a hook is another, naming the key
   * @throws ARGUMENT if the folder has a crosscoder, or an option is invalid
   * @throws OUT_OF_MEMORY, DEVICE; `signal.reason`
   */
  static async fromFile(
    path: string,
    options: MultiLayerFileOptions = {},
  ): Promise<CrossLayerTranscoder> {
    return new CrossLayerTranscoder(await loadMultiLayer("CrossLayerTranscoder", path, options));
  }
}
