import type { ShownToken } from "../../report/token-text.js";
import type { TokenIds, Tokenizer } from "../../tokenizer/tokenizer.js";

/** A token as commands list it: `text` as `toStrTokens` gives it, and `byte` if it is no text. */
export interface ListedToken extends ShownToken {
  readonly id: number;
}

/** From here on a byte is no character by itself. */
const firstPartial = 0x80;

export function listedToken(tokenizer: Tokenizer, id: number): ListedToken {
  const byte = tokenizer.byteOf(id);
  const isText = byte === undefined || byte < firstPartial;
  return { id, text: tokenizer.decode(id), ...(!isText && { byte }) };
}

/** The tokens of a text with their positions. */
export function listedTokens(
  tokenizer: Tokenizer,
  ids: TokenIds,
): (ListedToken & { readonly position: number })[] {
  return Array.from(ids, (id, position) => ({ position, ...listedToken(tokenizer, id) }));
}
