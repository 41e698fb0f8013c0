import { byteName, type ShownToken } from "../report/index.js";
import type { TokenIds, Tokenizer } from "../tokenizer/index.js";

/** A token as commands list it; `text` is `<0xE6>` for one that is a byte of a longer character. */
export interface ListedToken extends ShownToken {
  readonly id: number;
}

/** From here on a byte is no character by itself. */
const firstPartial = 0x80;

export function listedToken(tokenizer: Tokenizer, id: number): ListedToken {
  const byte = tokenizer.byteOf(id);
  return byte === undefined || byte < firstPartial
    ? { id, text: tokenizer.decode(id) }
    : { id, text: byteName(byte), byte };
}

/** The tokens of a text with their positions. */
export function listedTokens(
  tokenizer: Tokenizer,
  ids: TokenIds,
): (ListedToken & { readonly position: number })[] {
  return Array.from(ids, (id, position) => ({ position, ...listedToken(tokenizer, id) }));
}
