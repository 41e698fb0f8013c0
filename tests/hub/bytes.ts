import { Random } from "../support/random.js";

/** Bytes that repeat little and compress a little. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  const random = new Random(seed);
  for (let i = 0; i < length; i++) bytes[i] = i % 64 < 40 ? random.below(256) : i % 7;
  return bytes;
}
