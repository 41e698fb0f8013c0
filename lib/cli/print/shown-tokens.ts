import type { ShownToken } from "../../report/token-text.js";
import type { TokenIds, Tokenizer } from "../../tokenizer/tokenizer.js";

/** A token as commands list it: `text` as in `toStrTokens`, and `byte` if it is part of a character. */
export interface ListedToken extends ShownToken {
  readonly id: number;
}

/** Bytes from here on are not characters by themselves. */
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
