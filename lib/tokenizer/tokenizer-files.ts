import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { fail } from "./fail.js";

const configName = "tokenizer_config.json";
const namesName = "special_tokens_map.json";

const tokenId = z.int().min(0).max(0xffffff);

const addedToken = z.looseObject({
  id: tokenId,
  content: z.string().min(1),
  special: z.boolean().optional(),
});

// Shallow: the vocabulary (hundreds of thousands of entries) is looked at below, once, and by hand.
const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.custom<object>(
      (value) => typeof value === "object" && value !== null,
      "no vocabulary",
    ),
  }),
  added_tokens: z.array(addedToken).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
});

// A special token is written as its text, or as an object that has it.
const specialToken = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)])
  .nullish();

const namesSchema = z.looseObject({
  bos_token: specialToken,
  eos_token: specialToken,
  pad_token: specialToken,
});

const configSchema = namesSchema.extend({
  chat_template: z
    .union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/** A special token's text, and the file that names it. */
export interface SpecialToken {
  readonly text: string;
  readonly file: string;
}

/** The tokenizer's files, read and checked. */
export interface TokenizerFiles {
  /** Path of tokenizer.json, for messages. */
  readonly file: string;
  readonly tokenizer: z.infer<typeof tokenizerSchema>;
  readonly config: z.infer<typeof configSchema>;
  /** The special tokens; null where no file names one. */
  readonly bos: SpecialToken | null;
  readonly eos: SpecialToken | null;
  readonly pad: SpecialToken | null;
  readonly chatTemplate: string | null;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    return fail(file, "file", "a readable file", reason, error);
  }
}

function readJson<T extends z.ZodType>(file: string, schema: T): z.infer<T> {
  let json: unknown;
  try {
    json = JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof SyntaxError) return fail(file, "JSON", "valid JSON", error.message, error);
    throw error;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return fail(file, issue?.path.join(".") || "file", "a valid value", issue?.message ?? "another");
}

/** Ids become array indices, so a huge or broken one must not reach the library. */
function checkVocab(vocab: object, file: string): void {
  if (Array.isArray(vocab)) return; // Unigram: the position is the id
  for (const [token, id] of Object.entries(vocab)) {
    if (!tokenId.safeParse(id).success) {
      fail(file, `model.vocab[${JSON.stringify(token)}]`, "an id below 2^24", String(id));
    }
  }
}

/**
 * Reads tokenizer.json and, where they are there, tokenizer_config.json, special_tokens_map.json
 * and chat_template.jinja (which wins over the template in tokenizer_config.json).
 *
 * @throws TOKENIZER naming file and field
 */
export function readTokenizerFiles(dir: string): TokenizerFiles {
  const file = join(dir, "tokenizer.json");
  const tokenizer = readJson(file, tokenizerSchema);
  checkVocab(tokenizer.model.vocab, file);
  const optional = <T extends z.ZodType>(name: string, schema: T, none: z.infer<T>): z.infer<T> => {
    const path = join(dir, name);
    return existsSync(path) ? readJson(path, schema) : none;
  };
  const config = optional(configName, configSchema, {});
  const names = optional(namesName, namesSchema, {});
  const special = (key: "bos_token" | "eos_token" | "pad_token"): SpecialToken | null => {
    const [text, from] = config[key] ? [config[key], configName] : [names[key], namesName];
    return text ? { text, file: join(dir, from) } : null;
  };
  const jinja = join(dir, "chat_template.jinja");
  const listed = config.chat_template;
  const template = Array.isArray(listed)
    ? (listed.find(({ name }) => name === "default") ?? listed[0])?.template
    : listed;
  return {
    file,
    tokenizer,
    config,
    bos: special("bos_token"),
    eos: special("eos_token"),
    pad: special("pad_token"),
    chatTemplate: existsSync(jinja) ? readText(jinja) : (template ?? null),
  };
}
