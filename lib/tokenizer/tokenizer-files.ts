import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { danglingLink, isPresent, otherFormat } from "../checkpoint/other-format.js";
import { type JsonLimits, parseStrictJson } from "../checkpoint/strict-json.js";
import type { ChatTemplate } from "./chat-template.js";
import {
  checkList,
  checkObject,
  checkText,
  inside,
  isObject,
  type JsonField,
  wrong,
} from "./checks.js";
import { fail } from "./fail.js";
import { checkTokenizerJson, type TokenizerJson } from "./tokenizer-json.js";

const configName = "tokenizer_config.json";
const namesName = "special_tokens_map.json";

// Gemma 3's tokenizer.json has 33 MB and 1.4 million values; its tokenizer_config.json has 1.2 MB and
// 60,000 values.
const tokenizerLimits: JsonLimits = { bytes: 64 * 1024 * 1024, values: 4_000_000 };
const configLimits: JsonLimits = { bytes: 8 * 1024 * 1024, values: 400_000 };
const templateBytes = 1024 * 1024;

const toolTemplateName = "tool_use";
const mostTemplates = 64;
const longestSpecial = 1000;

/** A special token's text and the file that defines it. */
export interface SpecialToken {
  readonly text: string;
  readonly file: string;
}

/** The checked contents of the tokenizer's files. */
export interface TokenizerFiles {
  /** Path of tokenizer.json, for messages. */
  readonly file: string;
  readonly tokenizer: TokenizerJson;
  /** The special tokens; null if no file defines one. */
  readonly bos: SpecialToken | null;
  readonly eos: SpecialToken | null;
  readonly pad: SpecialToken | null;
  readonly chatTemplate: ChatTemplate | null;
  /** The template for calls with tools; null if one template serves both. */
  readonly toolTemplate: ChatTemplate | null;
  /** The special tokens that templates can use, such as `bos_token`. */
  readonly templateTokens: Readonly<Record<string, string>>;
}

function readBytes(file: string, most: number): Buffer {
  try {
    const stat = statSync(file);
    // Reading a named pipe would wait for a writer.
    if (!stat.isFile()) {
      return fail(
        file,
        "file",
        "a regular file",
        stat.isDirectory() ? "a folder" : "something else",
      );
    }
    if (stat.size > most) fail(file, "file", `at most ${most} bytes`, String(stat.size));
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "TOKENIZER") throw error;
    const got = danglingLink(file) ?? code ?? String(error);
    return fail(file, "file", "a readable file", got, error);
  }
}

function readJson(file: string, limits: JsonLimits): unknown {
  return parseStrictJson(readBytes(file, limits.bytes), limits.values, (...problem) =>
    fail(file, ...problem),
  );
}

function readTemplate(file: string): string {
  const bytes = readBytes(file, templateBytes);
  const other = bytes.length > 0 ? otherFormat(bytes) : undefined;
  if (other !== undefined) fail(file, "file", "a chat template", other);
  return bytes.toString("utf8");
}

/** Refuses a folder without tokenizer.json. SentencePiece's tokenizer.model is not supported. */
function refuseWithout(dir: string, file: string): never {
  if (!isPresent(join(dir, "tokenizer.model"))) {
    fail(file, "file", "a readable file", "none (ENOENT)");
  }
  const write = "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)";
  const got = `tokenizer.model alone: download tokenizer.json too, or write it in Python: ${write}`;
  return fail(file, "file", "tokenizer.json", got);
}

type SpecialKey = "bos_token" | "eos_token" | "pad_token";

/** The text of a special token, which files write as text or as an object with it; null if missing. */
function specialText(value: unknown, field: JsonField): string | null {
  if (value === null || value === undefined) return null;
  const [text, at] = isObject(value)
    ? [value["content"], inside(field, "content")]
    : [value, field];
  return checkText(text, at, 0, longestSpecial);
}

/** The named tokens of a file: bos_token and the like, and those of extra_special_tokens. */
function namedTokens([json, field]: readonly [
  Readonly<Record<string, unknown>>,
  JsonField,
]): Record<string, string> {
  const key = "extra_special_tokens";
  const extra = isObject(json[key]) ? Object.entries(json[key]) : [];
  const direct = Object.entries(json).filter(([name]) => name.endsWith("_token"));
  const tokens: Record<string, string> = {};
  for (const [name, value] of [...direct, ...extra]) {
    const isToken = typeof value === "string" || (isObject(value) && "content" in value);
    const text = isToken ? specialText(value, inside(field, name)) : null;
    if (text) tokens[name] = text;
  }
  return tokens;
}

type Templates = ReadonlyMap<string, ChatTemplate>;

/** Parses templates by name; a single template is called "default". */
function templatesIn(value: unknown, field: JsonField): Templates {
  const { file } = field;
  if (value === null || value === undefined) return new Map();
  if (typeof value === "string") return new Map([["default", { text: value, file }]]);
  if (!Array.isArray(value)) return wrong(field, "a template, or a list of them", value);
  const templates = checkList(value, field, mostTemplates).map((item, i) => {
    const { name, template } = checkObject(item, inside(field, i));
    if (typeof name !== "string") return wrong(inside(inside(field, i), "name"), "a text", name);
    if (typeof template === "string") return { name, text: template };
    return wrong(inside(inside(field, i), "template"), "a text", template);
  });
  return new Map(templates.map(({ name, text }) => [name, { text, file }]));
}

/** Reads the templates in the folder's files: chat_template.jinja, and the one for tools. */
function templatesBeside(dir: string): Templates {
  const files = [
    ["default", join(dir, "chat_template.jinja")],
    [toolTemplateName, join(dir, "additional_chat_templates", `${toolTemplateName}.jinja`)],
  ] as const;
  return new Map(
    files
      .filter(([, file]) => isPresent(file))
      .map(([name, file]) => [name, { text: readTemplate(file), file }]),
  );
}

/**
 * Reads tokenizer.json and, if present, tokenizer_config.json, special_tokens_map.json and
 * chat_template.jinja (which overrides the template in tokenizer_config.json).
 *
 * @throws TOKENIZER naming file and field
 */
export function readTokenizerFiles(dir: string): TokenizerFiles {
  const file = join(dir, "tokenizer.json");
  if (!isPresent(file)) refuseWithout(dir, file);
  const tokenizer = checkTokenizerJson(readJson(file, tokenizerLimits), file);
  const optional = (name: string): [Readonly<Record<string, unknown>>, JsonField] => {
    const path = join(dir, name);
    const field = { file: path, path: "" };
    return [isPresent(path) ? checkObject(readJson(path, configLimits), field) : {}, field];
  };
  const [config, configPlace] = optional(configName);
  const named = [[config, configPlace], optional(namesName)] as const;
  const special = (key: SpecialKey): SpecialToken | null => {
    const found = named.map(([json, field]) => ({
      text: specialText(json[key], inside(field, key)),
      file: field.file,
    }));
    const first = found.find(({ text }) => text);
    return first?.text ? { text: first.text, file: first.file } : null;
  };
  const beside = templatesBeside(dir);
  const listed = templatesIn(config["chat_template"], inside(configPlace, "chat_template"));
  const templates = beside.has("default") ? beside : listed;
  return {
    file,
    tokenizer,
    bos: special("bos_token"),
    eos: special("eos_token"),
    pad: special("pad_token"),
    chatTemplate: templates.get("default") ?? templates.values().next().value ?? null,
    toolTemplate: templates.get(toolTemplateName) ?? null,
    templateTokens: { ...namedTokens(named[1]), ...namedTokens(named[0]) },
  };
}
