import type { MultiLayerFile } from "../checkpoint/multi-layer-file.js";
import { Coder, featureSitesOf } from "./coder.js";
import type { LoadedCoder } from "./coder-layout.js";
import { saveMultiLayer } from "./save-multi-layer.js";

/**
 * The base of cross-layer transcoders and crosscoders: an encoder for each of several layers, and
 * decoders from each encoder to its own layer and the later ones. {@link Coder} has the equations.
 */
export abstract class MultiLayerCoder extends Coder {
  readonly #file: Pick<MultiLayerFile, "format" | "kind">;

  /** @internal */
  protected constructor(loaded: LoadedCoder & { readonly file: MultiLayerFile }) {
    super(loaded);
    this.#file = loaded.file;
  }

  /**
   * Writes the coder to a folder in the layout that it was read from, in float32. Each file is written
   * to a temporary name first and then renamed, the configuration last.
   *
   * @throws ARGUMENT if the path is invalid; DISPOSED; the file system's own error if it refuses
   */
  async save(path: string): Promise<void> {
    this.parameter("b_dec");
    const { format, kind } = this.#file;
    await saveMultiLayer(path, {
      cfg: this.cfg,
      features: featureSitesOf(this),
      format,
      kind,
      parameter: (name, read, write) => this.parameter(name, read, write),
    });
  }
}
