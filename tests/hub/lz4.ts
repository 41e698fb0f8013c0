/** LZ4 frames, as Xet stores chunks: enough of a compressor to have literals, matches and overlaps. */

const minMatch = 4;

/** One frame of one block. */
export function lz4Frame(bytes: Uint8Array): Buffer {
  // Version 1, blocks independent, no checksums; blocks up to 256 kB.
  const descriptor = Uint8Array.of(0x60, 0x50);
  const block = compress(bytes);
  const head = Buffer.alloc(11);
  head.writeUInt32LE(0x184d2204, 0);
  head.set(descriptor, 4);
  head[6] = (xxh32(descriptor) >>> 8) & 255;
  head.writeUInt32LE(block.length, 7);
  return Buffer.concat([head, block, Buffer.alloc(4)]);
}

/** Greedy: the last place with the same four bytes, by a table of 4,096, is the match. */
function compress(bytes: Uint8Array): Buffer {
  const out = new Output(bytes.length + bytes.length / 128 + 64);
  const seen = new Int32Array(4096).fill(-1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let literals = 0;
  // The last bytes are literals by the format's rules.
  for (let at = 0; at + 12 < bytes.length; ) {
    const key = view.getUint32(at);
    const slot = Math.imul(key, 2_654_435_761) >>> 20;
    const before = seen[slot] as number;
    seen[slot] = at;
    if (before < 0 || at - before > 65_535 || view.getUint32(before) !== key) {
      at++;
      continue;
    }
    let length = minMatch;
    while (at + length < bytes.length - 5 && bytes[before + length] === bytes[at + length])
      length++;
    out.sequence(bytes.subarray(literals, at), at - before, length);
    at += length;
    literals = at;
  }
  out.sequence(bytes.subarray(literals), 0, minMatch);
  return out.bytes;
}

class Output {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(length: number) {
    this.#buffer = Buffer.alloc(Math.ceil(length));
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** Literals and a match; an offset of 0 is no match. */
  sequence(literals: Uint8Array, offset: number, length: number): void {
    const more = offset === 0 ? 0 : length - minMatch;
    this.#push((Math.min(literals.length, 15) << 4) | Math.min(more, 15));
    this.#pushLength(literals.length);
    this.#buffer.set(literals, this.#at);
    this.#at += literals.length;
    if (offset === 0) return;
    this.#push(offset & 255);
    this.#push(offset >> 8);
    this.#pushLength(more);
  }

  #push(byte: number): void {
    this.#buffer[this.#at++] = byte;
  }

  #pushLength(length: number): void {
    if (length < 15) return;
    let rest = length - 15;
    for (; rest >= 255; rest -= 255) this.#push(255);
    this.#push(rest);
  }
}

/** xxHash32 with seed 0 of fewer than four bytes. */
function xxh32(bytes: Uint8Array): number {
  let hash = (374_761_393 + bytes.length) >>> 0;
  for (const byte of bytes) {
    hash = (hash + Math.imul(byte, 374_761_393)) >>> 0;
    hash = Math.imul((hash << 11) | (hash >>> 21), 2_654_435_761) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_519) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 3_266_489_917) >>> 0;
  return (hash ^ (hash >>> 16)) >>> 0;
}
