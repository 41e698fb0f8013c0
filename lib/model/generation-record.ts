import { GemlensError } from "../errors/gemlens-error.js";
import type { GeneratedToken } from "./generate-options.js";
import type { ModelCore } from "./model-core.js";
import { RowText } from "./row-text.js";
import type { DrawnToken, TextOrError } from "./token-record.js";

/** The end conditions of a row. */
export interface RowEnds {
  /** A row ends at any of these tokens. */
  readonly ends: ReadonlySet<number>;
  /** A row ends before any of these strings. */
  readonly stops: readonly string[];
}

/** The tokens of one row so far, and its text. */
export class GenerationRecord {
  readonly history: number[];
  readonly #ends: ReadonlySet<number>;
  // A model folder without tokenizer.json can still generate from ids, without text.
  readonly #text: RowText | { readonly missing: unknown };
  ended = false;

  constructor(core: ModelCore, prompt: ArrayLike<number>, { ends, stops }: RowEnds) {
    this.history = Array.from(prompt);
    this.#ends = ends;
    this.#text = rowText(core, stops);
  }

  /** Adds a token; `last` ends the row. Returns the token's text, or the reason it is missing. */
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

/** The concatenated tokens of all rows, and the offset of each row. */
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

/** A token with its text. If the text is missing, its getter throws the reason. */
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
    // This loads the tokenizer, which throws here if its files are missing.
    return new RowText(core.tokenizer, stops);
  } catch (error) {
    if (stops.length > 0 || !GemlensError.is(error)) throw error;
    return { missing: error };
  }
}
