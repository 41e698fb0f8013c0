import { GemlensError } from "../errors/gemlens-error.js";
import type { GeneratedToken } from "./generate-options.js";
import type { ModelCore } from "./model-core.js";
import { RowText } from "./row-text.js";
import type { DrawnToken, TextOrError } from "./token-record.js";

/** What ends a row. */
export interface RowEnds {
  /** Tokens that end it. */
  readonly ends: ReadonlySet<number>;
  /** Texts that it ends before. */
  readonly stops: readonly string[];
}

/** One row's tokens so far, and its text. */
export class GenerationRecord {
  readonly history: number[];
  readonly #ends: ReadonlySet<number>;
  // A folder without tokenizer.json still generates from ids; only the text is missing.
  readonly #text: RowText | { readonly missing: unknown };
  ended = false;

  constructor(core: ModelCore, prompt: ArrayLike<number>, { ends, stops }: RowEnds) {
    this.history = Array.from(prompt);
    this.#ends = ends;
    this.#text = rowText(core, stops);
  }

  /** Adds a token, the last one maybe; its text, or why there is none. */
  push(token: number, last: boolean): TextOrError {
    this.history.push(token);
    const ends = this.#ends.has(token);
    this.ended = ends || last;
    if (!(this.#text instanceof RowText)) return this.#text;
    const text = this.#text.push(token, ends);
    this.ended ||= this.#text.stopped;
    return this.ended ? text + this.#text.end() : text;
  }
}

/** The tokens of rows one after another, and where each row begins. */
export function historyOf(rows: readonly GenerationRecord[]): {
  history: Int32Array;
  historyPtr: Int32Array;
} {
  const historyPtr = new Int32Array(rows.length + 1);
  for (const [i, { history }] of rows.entries()) {
    historyPtr[i + 1] = (historyPtr[i] as number) + history.length;
  }
  return { history: Int32Array.from(rows.flatMap(({ history }) => history)), historyPtr };
}

/** A token with its text; asking for a text that is missing throws what is missing. */
export function withText(token: DrawnToken, text: TextOrError): GeneratedToken {
  if (typeof text === "string") return { ...token, text };
  return {
    ...token,
    get text(): string {
      throw text.missing;
    },
  };
}

function rowText(core: ModelCore, stops: readonly string[]): RowText | { missing: unknown } {
  try {
    // Loads the tokenizer, which throws here if it is missing.
    return new RowText(core.tokenizer, stops);
  } catch (error) {
    if (stops.length > 0 || !GemlensError.is(error)) throw error;
    return { missing: error };
  }
}
