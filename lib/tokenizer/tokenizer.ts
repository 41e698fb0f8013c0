import { byteOf } from "./byte-fallback.js";
import { type ChatTemplateOptions, checkChatOptions } from "./chat-options.js";
import type { ChatMessage } from "./chat-template.js";
import { renderConversation } from "./conversation.js";
import { type Engine, loadEngine } from "./engine.js";
import { badArgument, fail } from "./fail.js";
import { TokenStream } from "./token-stream.js";

/** A list of token ids. */
export type TokenIds = Int32Array | readonly number[];

/** A batch of tokenised texts, padded to the longest. */
export interface TokenBatch {
  /** batch × pos ids, row by row. */
  readonly ids: Int32Array;
  /** batch × pos: 1 for a real token, 0 for padding. */
  readonly mask: Uint8Array;
  /** Rows, and the length of the longest. */
  readonly shape: readonly [batch: number, pos: number];
}

/**
 * The tokenizer of a model folder (tokenizer.json and its companions), equal to Python's `tokenizers`.
 * Loading is lazy: the first use reads the files, and throws if they are missing or broken.
 */
export class Tokenizer {
  readonly #dir: string;
  #loaded: Engine | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** The tokenizer of `dir`. It reads no file until its first use. */
  static fromFolder(dir: string): Tokenizer {
    return new Tokenizer(dir);
  }

  get #engine(): Engine {
    this.#loaded ??= loadEngine(this.#dir);
    return this.#loaded;
  }

  /** The token that begins a text; null: none. */
  get bosTokenId(): number | null {
    return this.#engine.bosId;
  }

  /** The end-of-text token. Chat models end turns with other tokens, which the model's config lists. */
  get eosTokenIds(): readonly number[] {
    return [this.#engine.eosId ?? []].flat();
  }

  /** The token for padding; null: none. */
  get padTokenId(): number | null {
    return this.#engine.padId;
  }

  /** Ids range from 0 to vocabSize - 1; a model's embedding may have more rows. */
  get vocabSize(): number {
    return this.#engine.vocabSize;
  }

  /** Ids of the special tokens: beginning, end, padding, turns and the like. */
  get specialTokenIds(): ReadonlySet<number> {
    return this.#engine.specialIds;
  }

  /**
   * Token ids of `text`. A BOS is prepended, unless the text already begins with one (as chat templates'
   * text does) or `prependBos` is false.
   *
   * @throws TOKENIZER if the files are missing or broken, or define no BOS; ARGUMENT
   */
  encode(text: string, { prependBos = true }: { prependBos?: boolean } = {}): Int32Array {
    if (typeof text !== "string") badArgument("encode", "a string", typeof text);
    const { huggingFace, bosId, file } = this.#engine;
    // Do not use the post-processor, which would add a second BOS.
    const { ids } = huggingFace.encode(text, { add_special_tokens: false });
    if (!prependBos) return Int32Array.from(ids);
    if (bosId === null) return fail(file, "bos_token", "a token to prepend", "none");
    return Int32Array.from(ids[0] === bosId ? ids : [bosId, ...ids]);
  }

  /**
   * Several texts in one [batch, pos] array, padded on the given side to the longest.
   *
   * @throws ARGUMENT if `texts` is empty
   */
  encodeBatch(
    texts: readonly string[],
    {
      prependBos = true,
      paddingSide = "right",
    }: {
      prependBos?: boolean;
      paddingSide?: "left" | "right";
    } = {},
  ): TokenBatch {
    if (!Array.isArray(texts) || texts.length === 0) {
      badArgument("encodeBatch", "at least one text", Array.isArray(texts) ? "none" : typeof texts);
    }
    if (paddingSide !== "left" && paddingSide !== "right") {
      badArgument("encodeBatch", '"left" or "right" for paddingSide', JSON.stringify(paddingSide));
    }
    const rows = texts.map((text) => this.encode(text, { prependBos }));
    const width = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
    // The ids of padding are never used, because the mask excludes them.
    const ids = new Int32Array(rows.length * width).fill(this.padTokenId ?? 0);
    const mask = new Uint8Array(rows.length * width);
    for (const [i, row] of rows.entries()) {
      const start = i * width + (paddingSide === "left" ? width - row.length : 0);
      ids.set(row, start);
      mask.fill(1, start, start + row.length);
    }
    return { ids, mask, shape: [rows.length, width] };
  }

  /**
   * The text of `ids`. An id beyond the vocabulary (a model may have unused rows) has no text.
   *
   * @throws ARGUMENT if an id is negative or not an integer
   */
  decode(
    ids: TokenIds | number,
    { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {},
  ): string {
    const { huggingFace, specialIds, vocabSize } = this.#engine;
    const known = [...(typeof ids === "number" ? [ids] : ids)].filter((id) => {
      if (!Number.isInteger(id) || id < 0) badArgument("decode", "token ids", String(id));
      if (skipSpecialTokens && specialIds.has(id)) return false;
      return id < vocabSize && huggingFace.id_to_token(id) !== undefined;
    });
    if (known.length === 0) return "";
    return huggingFace.decode(known, { clean_up_tokenization_spaces: false });
  }

  /**
   * One readable string per token of a text (with its BOS) or of ids. Spaces stay spaces; a byte that is
   * not a character is U+FFFD.
   */
  toStrTokens(input: string | TokenIds, options: { prependBos?: boolean } = {}): string[] {
    const ids = typeof input === "string" ? this.encode(input, options) : input;
    return Array.from(ids, (id) => this.decode(id));
  }

  /**
   * The byte of a token such as `<0xE6>`; undefined for any other token. Such tokens spell the characters
   * that the vocabulary lacks; a single one has no text.
   */
  byteOf(id: number): number | undefined {
    const { huggingFace, vocabSize } = this.#engine;
    return id < vocabSize ? byteOf(huggingFace.id_to_token(id) ?? "") : undefined;
  }

  /**
   * The id of a string that is exactly one token, e.g. `" Paris"`.
   *
   * @throws ARGUMENT naming the tokens if the text is not exactly one
   */
  toSingleToken(text: string): number {
    const ids = this.encode(text, { prependBos: false });
    if (ids.length !== 1) {
      const parts = this.toStrTokens(ids).map((part) => JSON.stringify(part));
      badArgument(
        "toSingleToken",
        `one token for ${JSON.stringify(text)}`,
        parts.length === 0 ? "none" : `${parts.length}: ${parts.join(" ")}${this.#spaced(text)}`,
      );
    }
    return ids[0] as number;
  }

  /** A hint if the text is one token with a space before it, which users often forget. */
  #spaced(text: string): string {
    const isOne = this.encode(` ${text}`, { prependBos: false }).length === 1;
    return isOne ? `; ${JSON.stringify(` ${text}`)}, with a space before it, is one` : "";
  }

  /**
   * The prompt of a conversation by the model's own template, equal to transformers'
   * `apply_chat_template`. It includes the BOS, which `encode` does not add again. By default it ends with
   * the beginning of the model's turn.
   *
   * @example
   * const question = { role: "user", content: "Where does Leo live?" };
   * const prefill = { role: "assistant", content: "Leo lives in" };
   * model.applyChatTemplate([question]); // … <start_of_turn>model\n
   * model.applyChatTemplate([question, prefill], { continueFinalMessage: true }); // … Leo lives in
   * @throws TOKENIZER if the model has no template, or one that gemlens can't render as Python
   *   does; ARGUMENT if it refuses the messages
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    const settings = checkChatOptions(options);
    const { chatTemplate, toolTemplate, templateTokens } = this.#engine;
    const template = settings.tools === null ? chatTemplate : (toolTemplate ?? chatTemplate);
    if (template === null) {
      const remedy = "none; only instruction-tuned models (-it) have one";
      return fail(this.#dir, "chat_template", "a chat template", remedy);
    }
    return renderConversation(template, messages, settings, templateTokens);
  }

  /** Decodes tokens one by one as they are generated; never cuts a character in two. */
  stream({ skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): TokenStream {
    const { huggingFace } = this.#engine;
    return new TokenStream({
      rawToken: (id) => huggingFace.id_to_token(id),
      text: (id) => this.decode(id, { skipSpecialTokens }),
    });
  }
}
