import { existsSync } from "node:fs";
import { join } from "node:path";
import { show } from "../errors/show-value.js";
import { refuseWeightless } from "./folder-contents.js";
import { isPresent } from "./other-format.js";
import { refuse } from "./refuse.js";
import { readSafetensorsHeader } from "./safetensors.js";
import { readStrictJson } from "./strict-json.js";
import type { TensorSource } from "./tensor-source.js";

// gemma-3-27b's index has 1,247 tensors in 110 kB.
const indexLimits = { bytes: 16 * 1024 * 1024, values: 100_000 };
const maxShards = 1000;

// A shard is in the same folder as its index: no separators, no "..", no hidden file.
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$/;

/**
 * Finds every tensor of a Hugging Face folder by its published name, in `model.safetensors` or in the
 * shards that `model.safetensors.index.json` lists.
 *
 * @throws NOT_FOUND or UNSUPPORTED if both are missing, describing the folder; CHECKPOINT naming file
 *   and field
 */
export function readShards(dir: string): Map<string, TensorSource> {
  const single = join(dir, "model.safetensors");
  const index = join(dir, "model.safetensors.index.json");
  if (isPresent(single)) return readSafetensorsHeader(single).tensors;
  if (isPresent(index)) return readIndexed(dir, index);
  return refuseWeightless(dir);
}

function readIndexed(dir: string, index: string): Map<string, TensorSource> {
  const json = readStrictJson(index, indexLimits) as { weight_map?: unknown } | null;
  const weightMap = parseFileNames(json?.weight_map, index);
  const files = new Set(weightMap.values());
  if (files.size > maxShards) refuse(index, "weight_map", `at most ${maxShards} files`, files.size);
  for (const file of files) {
    if (!plainName.test(file)) {
      refuse(index, "weight_map", "plain *.safetensors names in the folder", show(file));
    }
  }
  const found = new Map<string, TensorSource>();
  const missing = [...files].filter((file) => !existsSync(join(dir, file)));
  if (missing.length > 0) {
    const count = `${missing.length} of ${files.size}: run hf download again`;
    const got = `${show(missing[0])}, missing (${count})`;
    refuse(index, "weight_map", "files that exist", got);
  }
  for (const file of files) {
    const path = join(dir, file);
    for (const [name, source] of readSafetensorsHeader(path).tensors) {
      if (found.has(name)) refuse(path, name, "a tensor in one shard", "it in two");
      if (weightMap.get(name) !== file) {
        const assigned = weightMap.get(name) ?? "no file";
        refuse(path, name, `the tensor where the index says (${assigned})`, show(file));
      }
      found.set(name, source);
    }
  }
  for (const [name, file] of weightMap) {
    if (!found.has(name)) refuse(join(dir, file), name, "the tensor", "none");
  }
  return found;
}

/** Returns a map, because a tensor may be called `__proto__`. Written by hand, like `parseEntry` of safetensors.ts. */
function parseFileNames(weightMap: unknown, index: string): Map<string, string> {
  if (typeof weightMap !== "object" || weightMap === null || Array.isArray(weightMap)) {
    return refuse(index, "weight_map", "an object of file names", show(weightMap));
  }
  const files = new Map<string, string>();
  for (const [name, file] of Object.entries(weightMap)) {
    if (typeof file !== "string") {
      return refuse(index, `weight_map.${name}`, "an object of file names", show(file));
    }
    files.set(name, file);
  }
  return files;
}
