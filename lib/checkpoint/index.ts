export { type CoderFile, type CoderParams, openCoderFile } from "./coder-file.js";
export { type CoderGuess, type CoderSite, guessFromPath } from "./coder-guess.js";
export type { LayerConfig, ModelConfig } from "./model-config.js";
export { type ModelFolder, openModelFolder } from "./model-folder.js";
export { openNpz } from "./npz.js";
export { parseModelConfig } from "./parse-model-config.js";
export { readSafetensorsHeader, type SafetensorsHeader } from "./safetensors.js";
export type { FileDtype, TensorSource } from "./tensor-source.js";
