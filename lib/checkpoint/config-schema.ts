import { z } from "zod";
import { show } from "../errors/show-value.js";
import { refuse } from "./refuse.js";

const size = z.int().min(1).max(1_000_000_000);
const tokenId = z.int().min(0);
// The core uses float32, in which 1e39 is infinite and 1e-46 is 0.
const positive = z
  .number()
  .positive()
  .refine((value) => {
    const rounded = Math.fround(value);
    return rounded > 0 && Number.isFinite(rounded);
  }, "expected a number that float32 can hold");
const layerType = z.enum(["sliding_attention", "full_attention"]);

/** Limits a list's length before zod checks its items, because zod keeps an issue for each of them. */
const atMost = (length: number) =>
  z.custom<unknown[]>(
    (value) => !Array.isArray(value) || value.length <= length,
    `expected at most ${length} entries`,
  );

/** One token id, or several. */
export const tokenIds = z.union([tokenId, atMost(1000).pipe(z.array(tokenId))]);

const rope = z.looseObject({
  rope_theta: positive.optional(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
  factor: positive.optional(),
  partial_rotary_factor: z.number().nullish(),
});

/** One set of rotary parameters, of transformers 4 (`rope_scaling`) or 5 (`rope_parameters`). */
export type RopeEntry = z.infer<typeof rope>;

/** The keys of both families. All are optional: each family has its own defaults. */
const textSchema = z.looseObject({
  vocab_size: size.optional(),
  hidden_size: size.optional(),
  intermediate_size: size.optional(),
  num_hidden_layers: z.int().min(1).max(1000).optional(),
  num_attention_heads: size.optional(),
  num_key_value_heads: size.optional(),
  head_dim: size.optional(),
  hidden_activation: z.string().optional(),
  hidden_act: z.string().nullish(),
  partial_rotary_factor: z.number().nullish(),
  max_position_embeddings: size.optional(),
  rms_norm_eps: positive.optional(),
  query_pre_attn_scalar: positive.optional(),
  sliding_window: size.nullish(),
  sliding_window_pattern: size.nullish(),
  _sliding_window_pattern: size.nullish(),
  layer_types: atMost(1000).pipe(z.array(layerType)).nullish(),
  rope_theta: positive.optional(),
  rope_local_base_freq: positive.optional(),
  rope_scaling: rope.nullish(),
  rope_parameters: z
    .looseObject({ sliding_attention: rope.nullish(), full_attention: rope.nullish() })
    .and(rope)
    .nullish(),
  attn_logit_softcapping: positive.nullish(),
  final_logit_softcapping: positive.nullish(),
  attention_bias: z.boolean().nullish(),
  use_bidirectional_attention: z.union([z.boolean(), z.string()]).nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: tokenIds.nullish(),
  pad_token_id: tokenId.nullish(),
  dtype: z.string().nullish(),
  torch_dtype: z.string().nullish(),
  quantization_config: z.unknown().optional(),
  // MLX and older versions of compressed-tensors use these names.
  quantization: z.unknown().optional(),
  compression_config: z.unknown().optional(),
});

/** The checked keys of a text model's configuration. */
export type TextConfig = z.infer<typeof textSchema>;

/** Checks the types and ranges of every key that is read. Throws CHECKPOINT naming file and key. */
export function checkTextConfig(json: unknown, file: string, prefix = ""): TextConfig {
  const parsed = textSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = prefix + (issue?.path.join(".") || "config");
  return refuse(
    file,
    field,
    "a valid value",
    `${show(valueAt(json, issue?.path))} (${issue?.message})`,
  );
}

function valueAt(json: unknown, path: readonly PropertyKey[] = []): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    json,
  );
}
