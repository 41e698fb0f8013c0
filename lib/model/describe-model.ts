import { call } from "../native/call.js";
import type { ModelCore } from "./model-core.js";

/** The text that `console.log` shows for a model: shape, size of the weights, number of hooks. */
export function describeModel(core: ModelCore): string {
  const { cfg } = core;
  const lines = [
    `HookedTransformer ${cfg.modelName} (${cfg.modelType}, ${cfg.dtype} on ${cfg.device})`,
    `  ${cfg.nLayers} layers, d_model ${cfg.dModel}, ${cfg.nHeads} heads of ${cfg.dHead} ` +
      `(${cfg.nKeyValueHeads} for keys and values), d_mlp ${cfg.dMlp}, ` +
      `vocabulary ${cfg.dVocab}, context ${cfg.nCtx}`,
  ];
  if (core.isDisposed) lines.push("  (disposed)");
  else {
    const { bytes } = call("inspect", (addon) => addon.modelInfo(core.handle("inspect")));
    lines.push(`  ${(bytes / 1e6).toFixed(1)} MB of weights, ${core.hooks.size} hooks added`);
  }
  return lines.join("\n");
}
