import { ByteFallbackDecoder } from "./hugging-face.js";

/** The byte that a token such as `<0x0A>` stands for, or undefined for any other token. */
export function byteOf(token: string): number | undefined {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  return hex === undefined ? undefined : Number.parseInt(hex, 16);
}

// ignoreBOM: without it a leading U+FEFF of the text would be dropped.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a run of bytes; as in Python's tokenizers, one U+FFFD per byte where it is invalid. */
function textOf(bytes: readonly number[]): string {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return "\ufffd".repeat(bytes.length);
  }
}

/**
 * Turns runs of byte tokens into text as Python's tokenizers do. The stock class (0.2.0) drops a
 * leading U+FEFF and counts replacement characters differently.
 */
export class ByteFallback extends ByteFallbackDecoder {
  override decode_chain(tokens: string[]): string[] {
    const texts: string[] = [];
    let run: number[] = [];
    for (const token of tokens) {
      const byte = byteOf(token);
      if (byte !== undefined) {
        run.push(byte);
        continue;
      }
      if (run.length > 0) texts.push(textOf(run));
      run = [];
      texts.push(token);
    }
    if (run.length > 0) texts.push(textOf(run));
    return texts;
  }
}
