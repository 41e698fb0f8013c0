import type { TokenStream } from "../tokenizer/index.js";

/**
 * The text of one row as it is generated: never cuts a character in two, leaves special tokens
 * out, ends before the first stop string, and holds back what may be the beginning of one.
 */
export class RowText {
  readonly #stream: TokenStream;
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  constructor(stream: TokenStream, stops: readonly string[]) {
    this.#stream = stream;
    this.#stops = stops;
  }

  /** Whether a stop string has come. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Adds a token; returns the text that is certain now. */
  push(id: number): string {
    this.#held += this.#stream.push(id);
    return this.#release(false);
  }

  /** Returns what is still held back. */
  end(): string {
    if (this.#stopped) return "";
    this.#held += this.#stream.end();
    return this.#release(true);
  }

  #release(final: boolean): string {
    const found = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((index) => index >= 0);
    let certain = this.#held.length;
    if (found.length > 0) {
      this.#stopped = true;
      certain = Math.min(...found);
    } else if (!final) {
      certain -= this.#beginning();
    }
    const text = this.#held.slice(0, certain);
    this.#held = this.#stopped ? "" : this.#held.slice(certain);
    return text;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  #beginning(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > longest; length--) {
        if (this.#held.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
