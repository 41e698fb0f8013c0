import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SAE } from "../lib/index.js";
import { writeSafetensors } from "./random-model.js";
import type { Device } from "./row.js";
import { temporaryFolder } from "./temporary.js";

/**
 * The standard deviation of a random model's stream after a layer: each post-norm adds variance 1.
 */
export const streamDeviation = (layer: number) => Math.sqrt(1 + 2 * (layer + 1));

// The number of standard deviations that 70 of this many normal features exceed.
const deviationsFor70: Readonly<Record<number, number>> = { 16384: 2.63, 65536: 3.07 };

/** The file of a random residual coder of which 70 features fire, in Gemma Scope 2's layout. */
export async function randomCoderFile(
  layer: number,
  dModel: number,
  dSae: number,
): Promise<{ path: string; remove(): void }> {
  const { folder: root, remove } = temporaryFolder();
  const width = `${Math.floor(dSae / 1000)}k`;
  const folder = join(root, `resid_post/layer_${layer}_width_${width}_l0_medium`);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "params.safetensors");
  const deviations = deviationsFor70[dSae];
  if (deviations === undefined) throw new Error(`no threshold for ${dSae} features`);
  const threshold = deviations * streamDeviation(layer) * Math.sqrt(dModel / dSae);
  await writeSafetensors(path, [
    // The first size is its fan-in; the writer scales by the last.
    ["w_enc", [dModel, dSae]],
    ["w_dec", [dSae, dModel]],
    ["b_enc", [dSae], 0],
    ["b_dec", [dModel], 0],
    ["threshold", [dSae], threshold],
  ]);
  return { path, remove };
}

/** Loads such a coder and removes its file. */
export async function randomSae(
  layer: number,
  dModel: number,
  dSae: number,
  device: Device = "cpu",
): Promise<SAE> {
  const { path, remove } = await randomCoderFile(layer, dModel, dSae);
  try {
    return await SAE.fromFile(path, { device, hookName: `blocks.${layer}.hook_resid_post` });
  } finally {
    remove();
  }
}
