import { ByteFallbackDecoder } from "./hugging-face.js";

/** The byte of a token such as `<0x0A>`; undefined for any other token. */
export function byteOf(token: string): number | undefined {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  return hex === undefined ? undefined : Number.parseInt(hex, 16);
}

// Without ignoreBOM the decoder would drop a leading U+FEFF.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes a run of bytes. As in Python's tokenizers, an invalid run becomes one U+FFFD per byte. */
function textOf(bytes: readonly number[]): string {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return "\ufffd".repeat(bytes.length);
  }
}

/**
 * Decodes runs of byte tokens like Python's tokenizers. The library's class (0.2.0) drops a leading U+FEFF
 * and counts replacement characters differently.
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
