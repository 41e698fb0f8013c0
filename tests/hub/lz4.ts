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

/** Greedy: the last place with the same four bytes is the match. */
function compress(bytes: Uint8Array): Buffer {
  const out: number[] = [];
  const seen = new Map<number, number>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let literals = 0;
  // The last bytes are literals by the format's rules.
  for (let at = 0; at + 12 < bytes.length; ) {
    const key = view.getUint32(at);
    const before = seen.get(key);
    seen.set(key, at);
    if (before === undefined || at - before > 65_535) {
      at++;
      continue;
    }
    let length = minMatch;
    while (at + length < bytes.length - 5 && bytes[before + length] === bytes[at + length])
      length++;
    sequence(out, bytes.subarray(literals, at), at - before, length);
    at += length;
    literals = at;
  }
  sequence(out, bytes.subarray(literals), 0, minMatch);
  return Buffer.from(out);
}

/** Literals and a match; an offset of 0 is no match. */
function sequence(out: number[], literals: Uint8Array, offset: number, length: number): void {
  const more = length - minMatch;
  out.push((Math.min(literals.length, 15) << 4) | (offset === 0 ? 0 : Math.min(more, 15)));
  pushLength(out, literals.length);
  for (const byte of literals) out.push(byte);
  if (offset === 0) return;
  out.push(offset & 255, offset >> 8);
  pushLength(out, more);
}

function pushLength(out: number[], length: number): void {
  if (length < 15) return;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) out.push(255);
  out.push(rest);
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
