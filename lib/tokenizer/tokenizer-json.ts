import { show } from "../errors/show-value.js";
import {
  checkFlag,
  checkList,
  checkObject,
  checkText,
  inside,
  isObject,
  type JsonField,
  wrong,
} from "./checks.js";
import { checkDecoder, checkNormalizer, checkPreTokenizer } from "./components.js";
import { fail } from "./fail.js";

// Ids become array indices, so they need a limit.
const mostIds = 2 ** 24;
// Gemma 3 has 6,415 added tokens with at most 31 characters.
const mostAdded = 65_536;
const longestAdded = 1000;
// The library stores added tokens in a tree with one object per character.
const addedCharacters = 262_144;

/** A token that is found in texts before they are split. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
}

type Vocabulary = Readonly<Record<string, number>>;

/** A checked tokenizer.json, reduced to the keys that the library reads. */
export interface TokenizerJson {
  readonly model: { readonly vocab: Vocabulary; readonly [key: string]: unknown };
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly decoder: unknown;
  /** Always null: a post-processor would add a second BOS. */
  readonly post_processor: null;
}

const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < mostIds;

/** Checks the contents of tokenizer.json. Throws TOKENIZER naming the key. */
export function checkTokenizerJson(json: unknown, file: string): TokenizerJson {
  const root: JsonField = { file, path: "" };
  const { model, added_tokens, normalizer, pre_tokenizer, decoder } = checkObject(json, root);
  const added = checkAddedTokens(added_tokens ?? [], inside(root, "added_tokens"));
  const checked = checkModel(model, inside(root, "model"), added);
  checkAddedIds(added, checked.vocab, inside(root, "added_tokens"));
  checkNormalizer(normalizer, inside(root, "normalizer"));
  checkPreTokenizer(pre_tokenizer, inside(root, "pre_tokenizer"));
  checkDecoder(decoder, inside(root, "decoder"));
  return {
    model: checked,
    added_tokens: added,
    normalizer: normalizer ?? null,
    pre_tokenizer: pre_tokenizer ?? null,
    decoder: decoder ?? null,
    post_processor: null,
  };
}

function checkAddedTokens(json: unknown, field: JsonField): AddedToken[] {
  let characters = 0;
  return checkList(json, field, mostAdded).map((item, i) => {
    const at = inside(field, i);
    const { id, content, ...rest } = checkObject(item, at);
    if (!isId(id)) return wrong(inside(at, "id"), "an id below 2^24", id);
    const text = checkText(content, inside(at, "content"), 1, longestAdded);
    characters += text.length;
    if (characters > addedCharacters) {
      wrong(field, `at most ${addedCharacters} characters in all`, "more");
    }
    const flag = (key: string): boolean => checkFlag(rest[key], inside(at, key));
    const special = flag("special");
    // No Gemma tokenizer has it, and the library would ignore it.
    if (flag("single_word")) wrong(inside(at, "single_word"), "false", true);
    return {
      id,
      content: text,
      special,
      lstrip: flag("lstrip"),
      rstrip: flag("rstrip"),
      normalized: (rest["normalized"] ?? null) === null ? !special : flag("normalized"),
    };
  });
}

/**
 * Checks that an added token has its id in the vocabulary, or else the next free one: Python's tokenizers
 * assign ids in this way and ignore the file's.
 */
function checkAddedIds(added: readonly AddedToken[], vocab: Vocabulary, field: JsonField): void {
  const seen = new Set<string>();
  const size = Object.keys(vocab).length;
  let next = size;
  for (const [i, { id, content }] of added.entries()) {
    const at = inside(field, i);
    if (seen.has(content)) wrong(inside(at, "content"), "a token that is added once", content);
    seen.add(content);
    const expected = Object.hasOwn(vocab, content) ? vocab[content] : next;
    if (id !== expected) wrong(inside(at, "id"), `${expected}, the token's id`, id);
    next = Math.max(next, id + 1);
  }
}

function checkModel(
  json: unknown,
  field: JsonField,
  added: readonly AddedToken[],
): TokenizerJson["model"] {
  const model = checkObject(json, field);
  const { type = "BPE", vocab, merges, unk_token: unknown = null } = model;
  const words = checkVocab(vocab, inside(field, "vocab"));
  if (type !== "BPE") wrong(inside(field, "type"), '"BPE"', type);
  checkMerges(merges, inside(field, "merges"));
  const at = inside(field, "unk_token");
  if (unknown !== null) {
    const token = checkText(unknown, at, 1, longestAdded);
    const known = Object.hasOwn(words, token) || added.some(({ content }) => content === token);
    if (!known) wrong(at, "a token of the vocabulary", token);
  }
  // No Gemma tokenizer has these. The library would ignore the first, and decoding would not undo the others.
  for (const key of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[key]) wrong(inside(field, key), "null", model[key]);
  }
  const flag = (key: string): boolean => checkFlag(model[key], inside(field, key));
  return {
    type: "BPE",
    vocab: words,
    merges,
    unk_token: unknown,
    fuse_unk: flag("fuse_unk"),
    byte_fallback: flag("byte_fallback"),
    ignore_merges: flag("ignore_merges"),
  };
}

function checkVocab(vocab: unknown, field: JsonField): Vocabulary {
  if (!isObject(vocab)) return wrong(field, "tokens with their ids", vocab);
  const seen = new Set<number>();
  for (const [token, id] of Object.entries(vocab)) {
    const path = (): string => `${field.path}[${JSON.stringify(token)}]`;
    if (!isId(id)) return fail(field.file, path(), "an id below 2^24", show(id));
    if (seen.has(id)) fail(field.file, path(), "a unique id", `${id} twice`);
    seen.add(id);
  }
  return vocab as Vocabulary;
}

/** Checks pairs of tokens, each a list of two or a text with a space between them. */
function checkMerges(json: unknown, field: JsonField): void {
  const merges = checkList(json, field, mostIds);
  const lists = Array.isArray(merges[0]);
  for (const [i, merge] of merges.entries()) {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    const isPair = Array.isArray(pair) && pair.length === 2 && Array.isArray(merge) === lists;
    if (!isPair || typeof pair[0] !== "string" || typeof pair[1] !== "string") {
      wrong(inside(field, i), lists ? "a list of two tokens" : "two tokens", merge);
    }
  }
}
