import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { openCircuitTracerLayers } from "./circuit-tracer-layers.js";
import { openGemmaScope2Layers } from "./gemma-scope-2-layers.js";
import type { MultiLayerFile } from "./multi-layer-file.js";
import { danglingLink, isPresent } from "./other-format.js";
import { refuse } from "./refuse.js";

const configs = ["config.json", "config.yaml"];

/**
 * Opens a published coder of several layers: a folder of a Gemma Scope 2 crosscoder or cross-layer
 * transcoder (config.json and params_layer_{i}.safetensors), or of a cross-layer transcoder as
 * circuit-tracer reads it (config.yaml, W_enc_{i}.safetensors and W_dec_{i}.safetensors). Of the
 * parameters it reads only the thresholds, which must be finite.
 *
 * @throws NOT_FOUND, CHECKPOINT, UNSUPPORTED; each names file and field
 */
export function openMultiLayerFile(path: string): MultiLayerFile {
  if (!existsSync(path)) {
    const message = sentence(path, "the folder of a coder", null, danglingLink(path) ?? "none");
    throw new GemlensError("NOT_FOUND", message, { file: path });
  }
  const isConfig = configs.includes(basename(path)) && statSync(path).isFile();
  const folder = isConfig ? dirname(path) : path;
  const found = isConfig
    ? [basename(path)]
    : configs.filter((name) => isPresent(join(folder, name)));
  if (found.length !== 1) {
    refuse(
      path,
      "coder",
      "a folder with config.json or config.yaml",
      found.join(" and ") || "neither",
    );
  }
  return found[0] === "config.json"
    ? openGemmaScope2Layers(folder)
    : openCircuitTracerLayers(folder);
}
