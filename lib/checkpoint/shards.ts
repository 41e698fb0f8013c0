import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { GemlensError } from "../errors/index.js";
import { refuse, show } from "./refuse.js";
import { readSafetensorsHeader } from "./safetensors.js";
import { readStrictJson } from "./strict-json.js";
import type { TensorSource } from "./tensor-source.js";

const maxIndexBytes = 64 * 1024 * 1024;
const maxShards = 1000;

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

// A shard lies beside its index: no separators, no "..", nothing hidden.
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$/;

/**
 * Every tensor of a Hugging Face folder by its published name: `model.safetensors`, or the shards
 * that `model.safetensors.index.json` names.
 *
 * @throws NOT_FOUND where neither is there; CHECKPOINT naming file and field
 */
export function readShards(dir: string): Map<string, TensorSource> {
  const single = join(dir, "model.safetensors");
  const index = join(dir, "model.safetensors.index.json");
  if (existsSync(single)) return readSafetensorsHeader(single).tensors;
  if (existsSync(index)) return readIndexed(dir, index);
  throw new GemlensError(
    "NOT_FOUND",
    `${dir}: expected model.safetensors or model.safetensors.index.json, got neither`,
    { file: dir },
  );
}

function readIndexed(dir: string, index: string): Map<string, TensorSource> {
  const parsed = indexSchema.safeParse(readStrictJson(index, maxIndexBytes));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") || "weight_map";
    return refuse(index, field, "an object of file names", issue?.message ?? "something else");
  }
  const weightMap = parsed.data.weight_map;
  const files = new Set(Object.values(weightMap));
  if (files.size > maxShards) refuse(index, "weight_map", `at most ${maxShards} files`, files.size);
  for (const file of files) {
    if (!plainName.test(file)) {
      refuse(index, "weight_map", "plain *.safetensors names in the folder", show(file));
    }
  }
  const found = new Map<string, TensorSource>();
  for (const file of files) {
    const path = join(dir, file);
    if (!existsSync(path))
      refuse(index, "weight_map", "files that exist", `${show(file)}, missing`);
    for (const [name, source] of readSafetensorsHeader(path).tensors) {
      if (found.has(name)) refuse(path, name, "a tensor in one shard", "it in two");
      if (weightMap[name] !== file) {
        const assigned = weightMap[name] ?? "no file";
        refuse(path, name, `the tensor where the index says (${assigned})`, show(file));
      }
      found.set(name, source);
    }
  }
  for (const name of Object.keys(weightMap)) {
    if (!found.has(name)) refuse(join(dir, weightMap[name] ?? ""), name, "the tensor", "none");
  }
  return found;
}
