import { byteOf } from "./byte-fallback.js";

/** The part of a tokenizer that a stream uses. */
export interface TokenTexts {
  /** The token's raw text in the vocabulary; undefined for an id without one. */
  rawToken(id: number): string | undefined;
  /** The text of a token that is not a byte; "" for a token that is skipped. */
  text(id: number): string;
}

/** The length of the UTF-8 sequence that `lead` begins; 0 if `lead` is invalid. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/**
 * Decodes tokens one by one, to show text during generation.
 *
 * A character that the vocabulary lacks comes as several byte tokens, and its text appears after the last
 * of them. The joined pieces equal `decode` of all ids, except that the stream keeps the valid characters
 * of a run of bytes that is not valid UTF-8.
 *
 * @example
 * const stream = model.tokenizer.stream({ skipSpecialTokens: true });
 * for (const id of model.toTokens(text).ids) process.stdout.write(stream.push(id));
 * process.stdout.write(stream.end());
 */
export class TokenStream {
  readonly #tokens: TokenTexts;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #held: number[] = [];

  /** @internal Use `tokenizer.stream`. */
  constructor(tokens: TokenTexts) {
    this.#tokens = tokens;
  }

  /** Adds a token and returns the text that is now complete; "" inside a character. */
  push(id: number): string {
    const raw = this.#tokens.rawToken(id);
    const byte = raw === undefined ? undefined : byteOf(raw);
    if (byte === undefined) return this.end() + this.#tokens.text(id);
    this.#held.push(byte);
    return this.#drain(false);
  }

  /** Ends the text. Returns the bytes of an incomplete character as one U+FFFD each. */
  end(): string {
    return this.#drain(true);
  }

  #drain(final: boolean): string {
    let text = "";
    while (this.#held.length > 0) {
      const length = sequenceLength(this.#held[0] as number);
      const continues = this.#held.slice(1, length).every((byte) => byte >> 6 === 0b10);
      const complete = length > 0 && continues && this.#held.length >= length;
      if (!complete && length > 0 && continues && !final) break;
      text += complete ? this.#take(length) : this.#take(1);
    }
    return text;
  }

  #take(length: number): string {
    const bytes = Uint8Array.from(this.#held.splice(0, length));
    try {
      return this.#utf8.decode(bytes);
    } catch {
      return "\ufffd".repeat(length);
    }
  }
}
