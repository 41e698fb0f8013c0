import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SAE } from "../lib/index.js";
import { randomTensor, writeSafetensors } from "./random-model.js";

/**
 * A random residual coder in Gemma Scope 2's format, its files removed once it is loaded.
 * Thresholds are such that some hundredth of the features fire on a unit-variance input.
 */
export async function randomSae(layer: number, dModel: number, dSae: number): Promise<SAE> {
  const root = mkdtempSync(join(tmpdir(), "gemlens-bench-"));
  try {
    const folder = join(root, `resid_post/layer_${layer}_width_16k_l0_medium`);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, "params.safetensors");
    await writeSafetensors(path, [
      ["w_enc", [dModel, dSae], () => randomTensor([dSae, dModel])],
      ["w_dec", [dSae, dModel], () => randomTensor([dSae, dModel])],
      ["b_enc", [dSae], () => new Float32Array(dSae)],
      ["b_dec", [dModel], () => new Float32Array(dModel)],
      ["threshold", [dSae], () => new Float32Array(dSae).fill(2.5)],
    ]);
    const hookName = `blocks.${layer}.hook_resid_post`;
    return await SAE.fromFile(path, { hookName });
  } finally {
    rmSync(root, { recursive: true });
  }
}
