import type { Random } from "../support/random.js";

/** Values at which counts and offsets break. */
const extremes = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xfffffffen,
  0xffffffffn,
  0x100000000n,
  2n ** 52n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

export type Width = 1 | 2 | 4 | 8;

/** A little-endian unsigned integer, truncated to its width. */
export function putInteger(bytes: Buffer, at: number, width: Width, value: bigint): void {
  const cut = BigInt.asUintN(8 * width, value);
  if (at < 0 || at + width > bytes.length) return;
  if (width === 8) bytes.writeBigUInt64LE(cut, at);
  else bytes.writeUIntLE(Number(cut), at, width);
}

export function getInteger(bytes: Buffer, at: number, width: Width): bigint {
  if (at < 0 || at + width > bytes.length) return 0n;
  return width === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, width));
}

/** An extreme, a neighbour of the old value, or a random number. */
export function otherInteger(random: Random, old: bigint): bigint {
  const kind = random.below(4);
  if (kind === 0) return random.pick(extremes);
  if (kind === 1) return old + BigInt(random.pick([-8, -4, -2, -1, 1, 2, 4, 8]));
  if (kind === 2) return random.pick([old * 2n, old / 2n, -old, old ^ 0x80000000n, old << 32n]);
  return (BigInt(random.bits()) << 32n) | BigInt(random.bits());
}

type Change = (bytes: Buffer, random: Random) => Buffer;

const flipBits: Change = (bytes, random) => {
  const out = Buffer.from(bytes);
  for (let n = 1 + random.below(8); n > 0; n--) {
    const at = random.below(out.length);
    out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
  }
  return out;
};

const setInteger: Change = (bytes, random) => {
  const out = Buffer.from(bytes);
  const width = random.pick<Width>([1, 2, 4, 8]);
  const at = random.below(out.length - width + 1);
  putInteger(out, at, width, otherInteger(random, getInteger(out, at, width)));
  return out;
};

const cut: Change = (bytes, random) => bytes.subarray(0, random.below(bytes.length));

const remove: Change = (bytes, random) => {
  const at = random.below(bytes.length);
  const end = at + 1 + random.below(Math.min(64, bytes.length - at));
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
};

const insert: Change = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const added = Buffer.from(Array.from({ length: 1 + random.below(32) }, () => random.below(256)));
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
};

/** Copies a range of the file over another offset, or inserts it there. */
const splice: Change = (bytes, random) => {
  const from = random.below(bytes.length);
  const piece = bytes.subarray(from, from + 1 + random.below(256));
  const at = random.below(bytes.length + 1);
  const resume = random.chance(0.5) ? at : at + piece.length;
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(resume)]);
};

const append: Change = (bytes, random) =>
  Buffer.concat([bytes, Buffer.alloc(1 + random.below(64), random.below(256))]);

const changes: readonly Change[] = [flipBits, setInteger, cut, remove, insert, splice, append];

/** A change that ignores the format. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  return bytes.length === 0 ? append(bytes, random) : random.pick(changes)(bytes, random);
}
