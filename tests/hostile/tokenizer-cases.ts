import { cpSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "../../lib/index.js";
import { both, type HostileCase, pipe, put } from "./case.js";
import { sound, soundTokenizer } from "./sound-tokenizer.js";

const file = "tokenizer.json";
const configFile = "tokenizer_config.json";
const namesFile = "special_tokens_map.json";

type Json = Record<string, unknown>;
const read = (name: string): Json => JSON.parse(readFileSync(join(sound, name), "utf8")) as Json;
const tokenizer = read(file);
const bpe = tokenizer["model"] as Json;

const encode = (folder: string): void => {
  const opened = Tokenizer.fromFolder(folder);
  opened.decode(opened.encode("the river is wide"));
};

const text = (name: string, bytes: string | Buffer, field: string, to = file): HostileCase => ({
  name: `${to}: ${name}`,
  write: both(soundTokenizer, put(to, bytes)),
  open: encode,
  code: "TOKENIZER",
  file: to,
  field,
});

/** tokenizer.json with these keys changed. */
const whole = (name: string, change: Json, field: string): HostileCase =>
  text(name, JSON.stringify({ ...tokenizer, ...change }), field);

const model = (name: string, change: Json, field: string): HostileCase =>
  whole(name, { model: { ...bpe, ...change } }, field);

/** tokenizer.json with this text as its vocabulary. */
const vocab = (name: string, json: string, field: string): HostileCase =>
  text(name, `{"model":{"type":"BPE","merges":[],"vocab":${json}}}`, field);

const replace = (content: unknown, pattern: unknown = { String: " " }): Json => ({
  type: "Replace",
  pattern,
  content,
});
const steps = (key: string, ...list: unknown[]): Json => ({ type: "Sequence", [key]: list });

// (a|a)* over thirty letters takes 2^30 steps.
const slow = { Regex: "(a|a|b)*c" };

export const tokenizerCases: HostileCase[] = [
  // The file.
  text("a number", "7", "file"),
  text("invalid UTF-8", Buffer.from('{"model":"\xff\xfe"}', "latin1"), "JSON"),
  text("a byte order mark", `\ufeff${JSON.stringify(tokenizer)}`, "JSON"),
  text("lists 100,000 deep", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "JSON"),
  vocab("half a surrogate pair", '{"\\ud83d":0}', "JSON"),
  vocab("a repeated token", '{"a":0,"a":1}', '"a"'),
  { ...text("a named pipe", "", "file"), write: pipe(file) },
  { ...text("a terabyte", "", "file"), write: (folder) => sparse(join(folder, file), 2 ** 40) },
  // The model.
  model("an unknown model", { type: "WordPiece" }, "model.type"),
  model("a model named after Object.prototype", { type: "constructor" }, "model.type"),
  vocab("a vocabulary as a list", '[["a",-1]]', "model.vocab"),
  vocab("a negative id", '{"a":-1}', 'model.vocab["a"]'),
  vocab("a fractional id", '{"a":0.5}', 'model.vocab["a"]'),
  vocab("an infinite id", '{"a":1e999}', 'model.vocab["a"]'),
  vocab("a repeated id", '{"a":0,"b":0}', 'model.vocab["b"]'),
  vocab("an id of 2^24", '{"a":16777216}', 'model.vocab["a"]'),
  vocab("an id called toString", '{"a":{"toString":1}}', 'model.vocab["a"]'),
  vocab("an id called __proto__", '{"__proto__":-1}', 'model.vocab["__proto__"]'),
  model("merges that are numbers", { merges: [1, 2] }, "model.merges.0"),
  model("merges of three tokens", { merges: ["t h e"] }, "model.merges.0"),
  model("merges of both kinds", { merges: [["t", "h"], "t h"] }, "model.merges.1"),
  model("an unk_token outside the vocabulary", { unk_token: "<nothing>" }, "model.unk_token"),
  model("random dropout", { dropout: 0.5 }, "model.dropout"),
  model("byte_fallback as text", { byte_fallback: "true" }, "model.byte_fallback"),
  // Added tokens.
  whole(
    "an added token of a megabyte",
    { added_tokens: [{ id: 0, content: "a".repeat(1e6) }] },
    "added_tokens.0.content",
  ),
  whole(
    "added tokens of a megabyte in all",
    {
      added_tokens: Array.from({ length: 2000 }, (_, id) => ({
        id,
        content: `${id}`.padEnd(500, "ab"),
      })),
    },
    "added_tokens",
  ),
  whole(
    "an added id of 2^24",
    { added_tokens: [{ id: 2 ** 24, content: "a" }] },
    "added_tokens.0.id",
  ),
  whole(
    "a flag as text",
    { added_tokens: [{ id: 1, content: "a", special: "yes" }] },
    "added_tokens.0.special",
  ),
  whole(
    "a repeated added token",
    { added_tokens: [0, 0].map((id) => ({ id, content: "<pad>" })) },
    "added_tokens.1.content",
  ),
  whole(
    "an added token with another token's id",
    { added_tokens: [{ id: 3, content: "<bos>" }] },
    "added_tokens.0.id",
  ),
  whole(
    "an added token that leaves a gap",
    { added_tokens: [{ id: 5000, content: "<more>" }] },
    "added_tokens.0.id",
  ),
  whole(
    "an added token for whole words",
    { added_tokens: [{ id: 2, content: "<bos>", single_word: true }] },
    "added_tokens.0.single_word",
  ),
  // Its steps.
  whole("a normalizer that takes hours", { normalizer: replace("", slow) }, "normalizer.pattern"),
  whole(
    "a splitter that takes hours",
    { pre_tokenizer: { type: "Split", pattern: slow, behavior: "Isolated" } },
    "pre_tokenizer.pattern",
  ),
  whole(
    "a decoder that takes hours",
    { decoder: steps("decoders", replace("", slow)) },
    "decoder.decoders.0.pattern",
  ),
  whole(
    "a text that grows 64-fold ten times",
    { normalizer: steps("normalizers", ...new Array(10).fill(replace(" ".repeat(64)))) },
    "normalizer.normalizers.1",
  ),
  whole(
    "a replacement of a megabyte",
    { normalizer: replace("a".repeat(1e6)) },
    "normalizer.content",
  ),
  whole(
    "an empty pattern",
    { normalizer: replace("a", { String: "" }) },
    "normalizer.pattern.String",
  ),
  whole(
    "100,000 steps",
    { normalizer: steps("normalizers", ...new Array(1e5).fill(replace("a"))) },
    "normalizer.normalizers",
  ),
  whole(
    "a nested sequence",
    { normalizer: steps("normalizers", steps("normalizers")) },
    "normalizer.normalizers.0.type",
  ),
  whole("a null step", { decoder: steps("decoders", null) }, "decoder.decoders.0"),
  whole(
    "a splitter's behavior as a number",
    { pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: 1 } },
    "pre_tokenizer.behavior",
  ),
  whole(
    "a decoder that strips endlessly",
    { decoder: { type: "Strip", content: " ", start: 1e15, stop: 0 } },
    "decoder.start",
  ),
  // Its companion files.
  text("null", "null", "file", configFile),
  text(
    "a special token of 70,000 letters",
    `{"bos_token":"${"a".repeat(70_000)}"}`,
    "bos_token",
    configFile,
  ),
  text("a special token without text", '{"pad_token":{"id":3}}', "pad_token.content", configFile),
  text("a list", "[]", "file", namesFile),
  text(
    "100,000 templates",
    `{"chat_template":[${'{"name":"a","template":"b"},'.repeat(1e5)}1]}`,
    "chat_template",
    configFile,
  ),
  text(
    "a template as an object",
    '{"chat_template":[{"name":"a","template":{}}]}',
    "chat_template.0.template",
    configFile,
  ),
  { ...text("a named pipe", "", "file", namesFile), write: (folder) => pipeFor(folder, namesFile) },
];

function sparse(path: string, bytes: number): void {
  writeFileSync(path, "{}");
  truncateSync(path, bytes);
}

function pipeFor(folder: string, name: string): void {
  cpSync(join(sound, file), join(folder, file));
  pipe(name)(folder);
}
