import { setTimeout as sleep } from "node:timers/promises";
import { HookedTransformer, type MemoryUse, memory, SAE, Transcoder } from "../../lib/index.js";

const scope = "assets/tiny-gemma2/gemma-scope";

/** The shared objects of a stress run: one model and its coders. */
export class World {
  #model: HookedTransformer | undefined;
  #sae: SAE | undefined;
  #transcoder: Transcoder | undefined;

  get model(): HookedTransformer {
    if (this.#model === undefined) throw new Error("stress: not open");
    return this.#model;
  }

  get sae(): SAE {
    if (this.#sae === undefined) throw new Error("stress: not open");
    return this.#sae;
  }

  get transcoder(): Transcoder {
    if (this.#transcoder === undefined) throw new Error("stress: not open");
    return this.#transcoder;
  }

  /** Loads everything; `close` must return to the memory before this. */
  async open(): Promise<MemoryUse> {
    // Runs once first, because libraries allocate memory at their first use.
    await this.#load();
    (await this.model.forward("One sunny day")).dispose();
    const start = await this.close();
    await this.#load();
    return start;
  }

  async close(): Promise<MemoryUse> {
    this.#sae?.dispose();
    this.#transcoder?.dispose();
    await this.#model?.dispose();
    this.#model = undefined;
    // The sweep finds objects dropped without dispose() once they are collected.
    for (let i = 0; i < 5; i++) {
      globalThis.gc?.();
      await sleep(20);
    }
    return memory();
  }

  async #load(): Promise<void> {
    this.#model = await HookedTransformer.fromPretrained("tiny", { dtype: "float32" });
    this.#sae = await SAE.fromFile(`${scope}/res/layer_2/width_1k/average_l0_15/params.npz`);
    this.#transcoder = await Transcoder.fromFile(firstTranscoder);
  }
}

const firstTranscoder = `${scope}/transcoders/layer_1/width_512/average_l0_24/params.npz`;
