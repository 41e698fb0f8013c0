import type { TokenStream } from "../tokenizer/token-stream.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** A piece of generated text; a special token's is matched against stop strings but not shown. */
interface Piece {
  readonly text: string;
  readonly isShown: boolean;
}

/**
 * The text of one row as it is generated. It never splits a character, omits special tokens, ends
 * before the first stop string, and holds back text that may begin a stop string.
 *
 * Stop strings match the generated text with special tokens written out. So "<end_of_turn>\n"
 * stops, and "day\n" does not match "day<end_of_turn>\n".
 */
export class RowText {
  readonly #tokenizer: Tokenizer;
  readonly #stream: TokenStream;
  readonly #stops: readonly string[];
  #held: Piece[] = [];
  #stopped = false;

  constructor(tokenizer: Tokenizer, stops: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stream = tokenizer.stream();
    this.#stops = stops;
  }

  /** Whether a stop string was found. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Adds a token and returns the text that is now final. An end token is not shown. */
  push(id: number, isEnd: boolean): string {
    const text = this.#stream.push(id);
    if (isEnd || this.#tokenizer.specialTokenIds.has(id)) {
      // The stream first returns the incomplete character that it held back, which precedes the
      // token.
      const start = Math.max(0, text.length - this.#tokenizer.decode(id).length);
      this.#held.push({ text: text.slice(0, start), isShown: true });
      this.#held.push({ text: text.slice(start), isShown: false });
    } else {
      this.#held.push({ text, isShown: true });
    }
    return this.#release(false);
  }

  /** Returns the text that is still held back. */
  end(): string {
    if (this.#stopped) return "";
    this.#held.push({ text: this.#stream.end(), isShown: true });
    return this.#release(true);
  }

  #release(final: boolean): string {
    const held = this.#held.map(({ text }) => text).join("");
    const found = this.#stops.map((stop) => held.indexOf(stop)).filter((index) => index >= 0);
    let certain = held.length;
    if (found.length > 0) {
      this.#stopped = true;
      certain = Math.min(...found);
    } else if (!final) {
      certain -= possibleStop(held, this.#stops);
    }
    const shown = this.#take(certain);
    if (this.#stopped) this.#held = [];
    return shown;
  }

  /** Removes `count` characters from the held text and returns those that are shown. */
  #take(count: number): string {
    let shown = "";
    let left = count;
    const rest: Piece[] = [];
    for (const { text, isShown } of this.#held) {
      if (isShown) shown += text.slice(0, left);
      if (left < text.length) rest.push({ text: text.slice(left), isShown });
      left = Math.max(0, left - text.length);
    }
    this.#held = rest;
    return shown;
  }
}

/** The length of the longest suffix of `text` that is a prefix of a stop string. */
function possibleStop(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
