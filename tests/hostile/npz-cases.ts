import { join } from "node:path";
import zlib from "node:zlib";
import { openNpz } from "../../lib/index.js";
import { type End, f4, type Member, npy as npyOf, vector, wide, zip } from "../checkpoint/zip.js";
import { archive, npy, type Member as Sound } from "../fuzz/tiny-files.js";
import { coderShapes, type HostileCase, openArchive, openCoder, params, put } from "./case.js";

const npzCase = (name: string, write: HostileCase["write"], field: string): HostileCase => ({
  name,
  write,
  open: openArchive,
  code: "CHECKPOINT",
  file: params,
  field,
});

/** An archive with falsified records. */
const lying = (name: string, members: Member[], field: string, end?: End, tail?: Buffer) =>
  npzCase(name, (folder) => void zip(join(folder, params), members, end, tail), field);

/** An archive that is valid except for its arrays' contents. */
const holding = (name: string, members: Sound[], field: string): HostileCase =>
  npzCase(name, put(params, archive(members)), field);

const coder = (name: string, members: Sound[], field: string): HostileCase => ({
  ...holding(name, members, field),
  open: openCoder,
});

const a: Member = { name: "a.npy", content: vector };
const ones = 0xffffffff;

const stored = (name: string, content: Buffer): Sound => ({ name, content, deflate: false });
const zeros = (count: number): Buffer => npyOf(f4(`(${count},)`), Buffer.alloc(4 * count));

/** A descriptor with these sizes, of eight bytes each. */
function descriptor(crc: number, packed: bigint, size: bigint): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(0x08074b50, 0);
  bytes.writeUInt32LE(crc, 4);
  bytes.writeBigUInt64LE(packed, 8);
  bytes.writeBigUInt64LE(size, 16);
  return bytes;
}

/** A member that claims 4 GB of zeros in 4 MB, in its own and its array's header. */
function fourGigabytes(): Member {
  const content = zeros(1024 * 1024);
  const header = npyOf(f4("(1073741760,)"), Buffer.alloc(0));
  const size = header.length + 4 * 1_073_741_760;
  const raw = zlib.deflateRawSync(Buffer.concat([header, content]));
  const packed = Buffer.concat([raw, Buffer.alloc(Math.ceil(size / 1000) - raw.length)]);
  const sizes = { size, packed: packed.length };
  return { name: "a.npy", content, deflate: true, raw: packed, local: sizes, central: sizes };
}

/** Members of a kilobyte each that inflate to a megabyte. */
const manyBombs = (): Sound[] =>
  Array.from({ length: 1000 }, (_, i) => ({
    name: `${i}.npy`,
    content: Buffer.alloc(1_000_000),
    deflate: true,
  }));

/** Thresholds of a coder with this element type, one of them these bytes. */
function threshold(descr: string, size: number, bits: bigint, deflate = false): Sound[] {
  const data = Buffer.alloc(6 * size);
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(bits);
  number.copy(data, 4 * size, 0, size);
  const content = npyOf(f4("(6,)").replace("<f4", descr), data);
  return Object.entries(coderShapes).map(([name, shape]) =>
    name === "threshold"
      ? { name: `${name}.npy`, content, deflate }
      : stored(`${name}.npy`, npy(shape)),
  );
}

export const npzCases: HostileCase[] = [
  // zip64.
  lying("zip64: a record of 2^63 bytes", [a], "zip64 end record", { zip64: { length: 2n ** 63n } }),
  lying("zip64: a directory of 2^64 - 1 bytes", [a], "zip64 directory size", {
    zip64: { size: 2n ** 64n - 1n },
  }),
  lying(
    "zip64: a member that begins at 2^53 - 1",
    [{ ...a, central: { offset: ones, extra: wide(2n ** 53n - 1n) } }],
    '"a.npy" local header',
  ),
  lying(
    "zip64: sizes only in the local header",
    [{ ...a, local: { size: ones, packed: ones, extra: wide(2n ** 40n, 2n ** 40n) } }],
    '"a.npy" local header',
  ),
  lying(
    "zip64: a descriptor with different sizes",
    [
      {
        ...a,
        local: { flags: 8, size: 0, packed: 0, crc: 0 },
        descriptor: descriptor(zlib.crc32(vector), 2n ** 60n, 2n ** 60n),
      },
    ],
    '"a.npy" data descriptor',
  ),
  // Offsets of members.
  lying("a repeated name", [a, a], '"a.npy"'),
  lying(
    "a member inside the directory",
    [{ ...a, central: { offset: 58 + vector.length } }],
    '"a.npy" local header',
  ),
  lying(
    "1,001 members",
    Array.from({ length: 1001 }, (_, i) => ({ ...a, name: `${i}.npy` })),
    "zip directory",
  ),
  lying(
    "members that share 64 kB of extra fields",
    Array.from({ length: 900 }, (_, i) => ({
      name: `${String(i).padStart(3, "0")}.npy`,
      content: vector,
      ...(i === 0 ? { local: { extra: Buffer.alloc(60_000) } } : { central: { offset: 0 } }),
    })),
    '"001.npy" local header',
  ),
  lying(
    "64 kB of end records",
    [],
    "zip end record",
    {},
    Buffer.from("PK\x05\x06".repeat(16_384), "latin1"),
  ),
  // Zip bombs.
  lying("4 GB of zeros in 4 MB, as declared", [fourGigabytes()], '"a.npy"'),
  holding(
    "64 MB of zeros in 64 kB, as declared",
    [{ name: "a.npy", content: zeros(1 << 24), deflate: true }],
    '"a.npy"',
  ),
  holding("1,000 members of a megabyte in a kilobyte", manyBombs(), '"107.npy"'),
  holding(
    "thirty members of 4 MB in 4 kB",
    Array.from({ length: 30 }, (_, i) => ({
      name: `${i}.npy`,
      content: zeros(1 << 20),
      deflate: true,
    })),
    '"3.npy"',
  ),
  // The arrays.
  holding(
    "a header of 4 GB",
    [stored("a.npy", npyOf(f4("(4,)"), vector, 2).fill(0xff, 8, 12))],
    '"a.npy"',
  ),
  holding("a negative size", [stored("a.npy", npyOf(f4("(-4,)"), vector))], '"a.npy"'),
  holding(
    "nine dimensions",
    [stored("a.npy", npyOf(f4(`(${"1, ".repeat(9)})`), Buffer.alloc(4)))],
    '"a.npy" shape',
  ),
  holding(
    "sizes of 300 digits",
    [stored("a.npy", npyOf(f4(`(${"9".repeat(300)},)`), Buffer.alloc(4)))],
    '"a.npy"',
  ),
  holding(
    "complex numbers",
    [stored("a.npy", npyOf(f4("(2,)").replace("<f4", "<c8"), Buffer.alloc(16)))],
    '"a.npy" descr',
  ),
  holding("a nested tuple", [stored("a.npy", npyOf(f4("((4,),)"), Buffer.alloc(16)))], '"a.npy"'),
  holding(
    "a string that never ends",
    [stored("a.npy", npyOf("{'descr: ", Buffer.alloc(16)))],
    '"a.npy"',
  ),
  {
    ...npzCase(
      "a bare array with extra bytes",
      put("a.npy", Buffer.concat([vector, Buffer.alloc(1)])),
      "a",
    ),
    file: "a.npy",
    open: (folder) => openNpz(join(folder, "a.npy")),
  },
  // A coder's archive.
  coder("an empty archive", [], "W_enc"),
  coder("a path with ..", [stored("../../../etc/W_enc.npy", npy([4, 6]))], '"../../../etc/W_enc"'),
  coder("an absolute path", [stored("/tmp/W_enc.npy", npy([4, 6]))], '"/tmp/W_enc"'),
  coder("an array called __proto__", [stored("__proto__.npy", npy([1]))], '"__proto__"'),
  coder("a NaN threshold", threshold("<f4", 4, 0x7fc00000n), "threshold"),
  coder("an infinite threshold", threshold("<f4", 4, 0xff800000n), "threshold"),
  coder("a NaN threshold in half precision", threshold("<f2", 2, 0x7e00n), "threshold"),
  coder("a deflated NaN threshold", threshold("<f8", 8, 0x7ff0000000000001n, true), "threshold"),
  coder(
    "a threshold of 1e300, which is infinite in float32",
    threshold("<f8", 8, 0x7e37e43c8800759cn),
    "threshold",
  ),
];
