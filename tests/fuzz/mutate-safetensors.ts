import type { Random } from "../support/random.js";
import { getInteger, mutateBytes, otherInteger, putInteger } from "./mutate-bytes.js";
import { mutateJson } from "./mutate-json.js";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}
type Header = Record<string, Entry>;

const dtypes = "F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL F8_E4M3 U64 C64".split(" ");

/** The parts of a file, or null if it is no longer valid. */
function parts(file: Buffer): { header: Buffer; data: Buffer } | null {
  const length = Number(getInteger(file, 0, 8));
  if (file.length < 8 || length > file.length - 8) return null;
  return { header: file.subarray(8, 8 + length), data: file.subarray(8 + length) };
}

function join(header: Buffer, data: Buffer): Buffer {
  const prefix = Buffer.alloc(8);
  putInteger(prefix, 0, 8, BigInt(header.length));
  return Buffer.concat([prefix, header, data]);
}

/** A change that keeps the header valid, and often consistent. */
function changeEntry(header: Header, random: Random): void {
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const entry = header[random.pick(names)] as Entry;
  const other = header[random.pick(names)] as Entry;
  const [begin, end] = entry.data_offsets;
  const shift = random.pick([-8, -4, -1, 1, 4, 8, 1 << 16, 2 ** 32, 2 ** 52]);
  const changes: (() => void)[] = [
    () => (entry.data_offsets = [begin + shift, end + shift]),
    () => (entry.data_offsets = [begin, end + shift]),
    () => (entry.data_offsets = [end, begin]),
    () => {
      entry.data_offsets = other.data_offsets;
      other.data_offsets = [begin, end];
    },
    () => (entry.data_offsets = [...other.data_offsets]),
    () => (entry.dtype = random.pick(dtypes)),
    () => entry.shape.reverse(),
    () => entry.shape.push(1),
    () => entry.shape.unshift(random.pick([0, 1, 2 ** 31, 2 ** 53])),
    () => entry.shape.splice(random.below(entry.shape.length), 1),
    () => (entry.shape = [entry.shape.reduce((product, size) => product * size, 1)]),
    () => (entry.shape = new Array<number>(random.below(12)).fill(1)),
    () => (entry.shape = entry.shape.map((size) => (random.chance(0.5) ? size : size * 2))),
    () => (entry.shape[0] = Number(otherInteger(random, BigInt(entry.shape[0] ?? 0)))),
  ];
  random.pick(changes)();
}

function renameOne(header: Header, random: Random): Header {
  const name = random.pick(Object.keys(header));
  const others = [...Object.keys(header), "__proto__", "constructor", "a\u001b[31m\n", "\ud800"];
  const next = random.chance(0.3) ? `${name}x` : random.pick(others);
  const entries = Object.entries(header).map(([key, value]) => [key === name ? next : key, value]);
  return Object.fromEntries(entries) as Header;
}

/** Changes the header's length, its JSON, one tensor's offsets or shape, or any byte. */
export function mutateSafetensors(file: Buffer, random: Random): Buffer {
  const found = parts(file);
  if (found === null || random.chance(0.15)) return mutateBytes(file, random);
  const { header, data } = found;
  const kind = random.below(8);
  if (kind === 0) {
    const out = Buffer.from(file);
    putInteger(out, 0, 8, otherInteger(random, BigInt(header.length)));
    return out;
  }
  if (kind === 1) return join(header, mutateBytes(data, random));
  if (kind < 4) return join(mutateJson(header, random), data);
  try {
    let json = JSON.parse(header.toString()) as Header;
    for (let n = 1 + random.below(2); n > 0; n--) changeEntry(json, random);
    if (random.chance(0.15)) json = renameOne(json, random);
    const text = JSON.stringify(json);
    const padded = random.chance(0.2) ? text.padEnd(text.length + random.below(64)) : text;
    return join(Buffer.from(padded), data);
  } catch {
    return mutateBytes(file, random);
  }
}
