import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { show } from "../errors/show-value.js";
import { parseCachedPath } from "../hub/cache-layout.js";
import { tokenIds } from "./config-schema.js";
import { refuseAdapter, refuseConfigless } from "./folder-contents.js";
import type { ModelConfig } from "./model-config.js";
import { danglingLink, isPresent, whatItIs } from "./other-format.js";
import { parseModelConfig } from "./parse-model-config.js";
import { refuse, unsupported } from "./refuse.js";
import { readShards } from "./shards.js";
import { configLimits, readStrictJson } from "./strict-json.js";
import type { TensorSource } from "./tensor-source.js";
import { expectedShapes, neutralName } from "./weight-map.js";

/** A checkpoint folder whose headers were all checked against its config.json. */
export interface ModelFolder {
  /** The parsed config.json. */
  readonly config: ModelConfig;
  /**
   * Every tensor of the text model by our neutral name: those that the config requires, and `lm_head` if
   * the checkpoint has one.
   */
  readonly tensors: Map<string, TensorSource>;
  /** The folder of tokenizer.json and its companions. */
  readonly tokenizerDir: string;
}

/**
 * Opens a Hugging Face model folder as it is published (or as the Hugging Face cache links it),
 * reading headers only.
 *
 * It refuses a tensor that is missing, unknown, truncated or of the wrong shape or element type, before
 * any weight is read. `config.fileDtype` is the element type of the embedding; `config.eosTokenIds`
 * includes those of generation_config.json.
 *
 * @throws NOT_FOUND, CHECKPOINT, UNSUPPORTED; each names file and field
 */
export function openModelFolder(dir: string): ModelFolder {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) {
    const got = existsSync(dir) ? whatItIs(dir) : (danglingLink(dir) ?? "none");
    const message = sentence(dir, "a model folder", null, got);
    throw new GemlensError("NOT_FOUND", message, { file: dir });
  }
  refuseAdapter(dir);
  const file = join(dir, "config.json");
  if (!isPresent(file)) refuseConfigless(dir);
  const config = parseModelConfig(readStrictJson(file, configLimits), file, nameOf(dir));
  const published = readShards(dir);
  const tensors = matchTensors(dir, config, published);
  return {
    config: {
      ...config,
      eosTokenIds: [...new Set([...config.eosTokenIds, ...generationEos(dir)])],
      fileDtype: tensors.get("embed_tokens")?.dtype as ModelConfig["fileDtype"],
    },
    tensors,
    tokenizerDir: dir,
  };
}

/** `gemma-2-2b` for a snapshot of google/gemma-2-2b in the Hugging Face cache, else the folder's name. */
function nameOf(dir: string): string {
  const cached = parseCachedPath(dir);
  return cached !== undefined && cached.path === undefined ? cached.name : basename(resolve(dir));
}

const generationSchema = z.looseObject({ eos_token_id: tokenIds.nullish() });

/** Instruction-tuned models name their end of turn only in generation_config.json. */
function generationEos(dir: string): number[] {
  const file = join(dir, "generation_config.json");
  if (!isPresent(file)) return [];
  const parsed = generationSchema.safeParse(readStrictJson(file, configLimits));
  if (!parsed.success)
    return refuse(file, "eos_token_id", "a token id or several", "something else");
  return [parsed.data.eos_token_id ?? []].flat();
}

// GPTQ, AWQ, bitsandbytes, compressed-tensors and fp8 store these tensors with the packed weights.
const quantised =
  /\.(?:qweight|qzeros|scales|biases|g_idx|SCB|(?:nested_)?absmax|(?:nested_)?quant_map|quant_state\..+|(?:weight|input|output)_(?:scale|scale_inv|zero_point|packed|shape|g_idx|global_scale))$|\.weight\.(?:absmax|quant_map|quant_state.*)$/;

function matchTensors(
  dir: string,
  config: ModelConfig,
  published: ReadonlyMap<string, TensorSource>,
): Map<string, TensorSource> {
  const expected = expectedShapes(config);
  const found = new Map<string, TensorSource>();
  for (const [name, source] of published) {
    const ours = neutralName(name, config.modelType);
    if (ours === null) continue;
    const file = "file" in source ? source.file : dir;
    const shape = expected.get(ours === "lm_head" ? "embed_tokens" : ours);
    if (!shape) {
      if (quantised.test(name)) unsupported(file, name, "weights that are not quantised", "others");
      return refuse(file, name, `a tensor of a ${config.modelType} text model`, "another");
    }
    if (show(source.shape) !== show(shape)) {
      refuse(file, name, `shape ${show(shape)}`, show(source.shape));
    }
    if (!/^(?:float32|bfloat16|float16)$/.test(source.dtype)) {
      refuse(file, name, "float32, bfloat16 or float16", source.dtype);
    }
    if (found.has(ours)) refuse(file, name, "each tensor under one name", "it twice");
    found.set(ours, source);
  }
  const head = found.get("lm_head");
  const tensors = new Map<string, TensorSource>();
  if (head) {
    // transformers ties the two to the one that is present.
    if (config.tieWordEmbeddings && !found.has("embed_tokens")) found.set("embed_tokens", head);
    else tensors.set("lm_head", head);
  } else if (!config.tieWordEmbeddings) {
    const want = "the output head (config.json has tie_word_embeddings: false)";
    refuse(dir, "lm_head.weight", want, "none");
  }
  for (const [ours, shape] of expected) {
    const source = found.get(ours);
    if (!source) return refuse(dir, ours, `a tensor of shape ${show(shape)}`, "none");
    tensors.set(ours, source);
  }
  return tensors;
}
