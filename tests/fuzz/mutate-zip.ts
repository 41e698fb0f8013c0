import zlib from "node:zlib";
import type { Random } from "../support/random.js";
import { getInteger, mutateBytes, otherInteger, putInteger, type Width } from "./mutate-bytes.js";
import { archive, type Member } from "./tiny-files.js";

/** One integer of a zip record. Fields of one `role` in two records should agree. */
interface Field {
  readonly role: string;
  readonly at: number;
  readonly width: Width;
}
type Layout = readonly (readonly [role: string, offset: number, width: Width])[];

// PKWARE APPNOTE 6.3.10
const local: Layout = [
  ["signature", 0, 4],
  ["flags", 6, 2],
  ["method", 8, 2],
  ["crc", 14, 4],
  ["packed", 18, 4],
  ["size", 22, 4],
  ["name length", 26, 2],
  ["extra length", 28, 2],
];
const central: Layout = [
  ["signature", 0, 4],
  ["flags", 8, 2],
  ["method", 10, 2],
  ["crc", 16, 4],
  ["packed", 20, 4],
  ["size", 24, 4],
  ["name length", 28, 2],
  ["extra length", 30, 2],
  ["comment length", 32, 2],
  ["offset", 42, 4],
];
const end: Layout = [
  ["signature", 0, 4],
  ["disk", 4, 2],
  ["count here", 8, 2],
  ["count", 10, 2],
  ["directory size", 12, 4],
  ["directory offset", 16, 4],
  ["comment length", 20, 2],
];
const locator: Layout = [
  ["disk", 4, 4],
  ["end64 offset", 8, 8],
  ["disks", 16, 4],
];
const end64: Layout = [
  ["end64 length", 4, 8],
  ["count here", 24, 8],
  ["count", 32, 8],
  ["directory size", 40, 8],
  ["directory offset", 48, 8],
];
const layouts: readonly [signature: number, Layout][] = [
  [0x04034b50, local],
  [0x02014b50, central],
  [0x06054b50, end],
  [0x07064b50, locator],
  [0x06064b50, end64],
];

/** Every record that a scan for signatures finds; this works on broken archives, too. */
function fieldsOf(file: Buffer): Field[] {
  const fields: Field[] = [];
  for (let at = file.indexOf("PK"); at >= 0; at = file.indexOf("PK", at + 2)) {
    const signature = Number(getInteger(file, at, 4));
    for (const [known, layout] of layouts) {
      if (known !== signature) continue;
      for (const [role, offset, width] of layout) fields.push({ role, at: at + offset, width });
    }
  }
  // Version, header length and shape of the arrays.
  for (let at = file.indexOf("\x93NUMPY", 0, "latin1"); at >= 0; ) {
    fields.push({ role: "npy version", at: at + 6, width: 1 });
    fields.push({ role: "npy header length", at: at + 8, width: 2 });
    at = file.indexOf("\x93NUMPY", at + 6, "latin1");
  }
  return fields;
}

/** Changes one field, or the same field of every record. */
function changeField(file: Buffer, random: Random): Buffer {
  const fields = fieldsOf(file);
  if (fields.length === 0) return mutateBytes(file, random);
  const out = Buffer.from(file);
  const field = random.pick(fields);
  const old = getInteger(out, field.at, field.width);
  const other = random.pick(fields);
  const value = random.chance(0.25)
    ? getInteger(out, other.at, other.width)
    : otherInteger(random, old);
  const everywhere = random.chance(0.5);
  for (const { role, at, width } of everywhere ? fields : [field]) {
    const same = role === field.role && getInteger(out, at, width) === old;
    if (same) putInteger(out, at, width, value);
  }
  return out;
}

const snippets = [
  ..."(1,) (2, 3) (0,) (-1,) (4) () (1,1,1,1,1,1,1,1,1) (9007199254740993,)".split(" "),
  ..."(4294967296, 4294967296) '<f4' '<f8' '<f2' '<i8' '|O' '>f4' '|b1' '|V8' True False".split(
    " ",
  ),
  ..."{} {'a':1} [] None 1e9 exit() 'shape' 'descr' 'fortran_order' \\x00 ( { ,".split(" "),
];

/** Overwrites text in an array's header and keeps its length. */
function changeHeader(file: Buffer, random: Random): Buffer {
  const starts: number[] = [];
  for (let at = file.indexOf("{'"); at >= 0; at = file.indexOf("{'", at + 2)) starts.push(at);
  if (starts.length === 0) return mutateBytes(file, random);
  const start = random.pick(starts);
  const length = Math.max(0, file.indexOf("\n", start) - start);
  const text = file.toString("latin1", start, start + length);
  const marks = [...text.matchAll(/'[^']*'|\([^)]*\)|True|False|\d+/g)];
  if (marks.length === 0) return mutateBytes(file, random);
  const mark = random.pick(marks);
  const after = text.slice(mark.index + mark[0].length);
  const changed = text.slice(0, mark.index) + random.pick(snippets) + after;
  const out = Buffer.from(file);
  out.write(changed.trimEnd().padEnd(length).slice(0, length), start, "latin1");
  return out;
}

/** Replaces a member's data with a deflate stream that may inflate to other data. */
function deflateOver(file: Buffer, random: Random): Buffer {
  const size = random.pick([16, 1000, 100_000, 4_000_000]);
  const stream = zlib.deflateRawSync(Buffer.alloc(size, random.below(256)));
  const at = file.indexOf("\x93NUMPY", random.below(file.length), "latin1");
  if (at < 0) return changeField(file, random);
  const resume = at + stream.length;
  return Buffer.concat([file.subarray(0, at), stream, file.subarray(resume)]);
}

// Limits the size of a rebuilt archive. Members may overlap, and each further change would copy
// them all again.
const mostBytes = 1 << 24;
const longestName = 1000;

/** The members of an archive; empty if the archive is invalid. */
function membersOf(file: Buffer): Member[] {
  const members: Member[] = [];
  let left = mostBytes;
  const directory = file.indexOf("PK\x01\x02", 0, "latin1");
  for (let at = directory; at >= 0; at = file.indexOf("PK\x01\x02", at + 4, "latin1")) {
    const number = (offset: number, width: Width): number =>
      Number(getInteger(file, at + offset, width));
    const name = file.toString("utf8", at + 46, at + 46 + Math.min(number(28, 2), longestName));
    const local = number(42, 4);
    const nameAndExtra = [26, 28].map((offset) => Number(getInteger(file, local + offset, 2)));
    const start = local + 30 + (nameAndExtra[0] ?? 0) + (nameAndExtra[1] ?? 0);
    const data = file.subarray(start, start + number(20, 4));
    const deflate = number(10, 2) === 8;
    try {
      const content = deflate ? zlib.inflateRawSync(data, { maxOutputLength: mostBytes }) : data;
      if (content.length > left) break;
      left -= content.length;
      members.push({ name, content, deflate });
    } catch {
      // Changed already.
    }
  }
  return members;
}

const names = ["../a.npy", "/etc/a.npy", "a", ".npy", "__proto__.npy", "a\u0000.npy", "\u001b.npy"];

/** Changes one member and rewrites the archive, so that its sizes and checksums agree. */
function rebuild(file: Buffer, random: Random): Buffer {
  const members = membersOf(file);
  if (members.length === 0) return mutateBytes(file, random);
  const at = random.below(members.length);
  const old = members[at] as Member;
  const changes: (() => Member[])[] = [
    () => [{ ...old, content: changeHeader(old.content, random) }],
    () => [{ ...old, content: mutateBytes(old.content, random) }],
    () => [{ ...old, name: random.chance(0.5) ? random.pick(names) : random.pick(members).name }],
    () => [{ ...old, deflate: !old.deflate }],
    () => [{ ...old, content: random.pick(members).content }],
    () => [old, { ...old, name: random.pick(names) }],
    () => [],
  ];
  members.splice(at, 1, ...random.pick(changes)());
  return archive(members);
}

/** Changes records, array headers or data of a zip archive of arrays, or any byte. */
export function mutateZip(file: Buffer, random: Random): Buffer {
  let out = file;
  for (let n = 1 + random.below(3); n > 0; n--) {
    const kind = random.below(12);
    if (kind < 5) out = changeField(out, random);
    else if (kind < 7) out = changeHeader(out, random);
    else if (kind < 10) out = rebuild(out, random);
    else if (kind === 10) out = deflateOver(out, random);
    else out = mutateBytes(out, random);
  }
  return out;
}
