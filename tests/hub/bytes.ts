/** Bytes that repeat little and compress a little. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = i % 64 < 40 ? state >>> 24 : i % 7;
  }
  return bytes;
}
