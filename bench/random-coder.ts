import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SAE } from "../lib/index.js";
import { writeSafetensors } from "./random-model.js";

/**
 * A random residual coder, its files removed once it is loaded. The stream of a random model has a
 * variance of about 1 + 2 (layer + 1), as each post norm adds 1; a threshold of 2.63 standard
 * deviations lets 0.43 % of the features fire: 70 of 16,384.
 */
export async function randomSae(layer: number, dModel: number, dSae: number): Promise<SAE> {
  const root = mkdtempSync(join(tmpdir(), "gemlens-bench-"));
  try {
    const folder = join(root, `resid_post/layer_${layer}_width_16k_l0_medium`);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, "params.safetensors");
    await writeSafetensors(path, [
      // Its fan-in is the first size; the writer scales by the last.
      ["w_enc", [dModel, dSae]],
      ["w_dec", [dSae, dModel]],
      ["b_enc", [dSae], 0],
      ["b_dec", [dModel], 0],
      ["threshold", [dSae], 2.63 * Math.sqrt((1 + 2 * (layer + 1)) * (dModel / dSae))],
    ]);
    const hookName = `blocks.${layer}.hook_resid_post`;
    return await SAE.fromFile(path, { hookName });
  } finally {
    rmSync(root, { recursive: true });
  }
}
