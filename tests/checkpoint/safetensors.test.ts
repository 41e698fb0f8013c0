import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { GemlensError, readSafetensorsHeader } from "../../lib/index.js";
import { newFolder } from "../support/folder.js";

let dir: string;
beforeAll(() => {
  dir = newFolder();
});

/**
 * A file with this header text and this many bytes of data; `length` overrides the header length.
 */
function write(header: string, dataBytes: number, length?: bigint): string {
  const file = join(dir, "hostile.safetensors");
  const text = Buffer.from(header, "latin1");
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  writeFileSync(file, Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]));
  return file;
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown): Record<string, unknown> => ({
  dtype,
  shape,
  data_offsets: offsets,
});
const one = (dtype: unknown, shape: unknown, offsets: unknown): string =>
  JSON.stringify({ w: entry(dtype, shape, offsets) });

function refusal(run: () => unknown): GemlensError {
  try {
    run();
  } catch (error) {
    if (GemlensError.is(error)) return error;
    throw error;
  }
  throw new Error("expected a GemlensError, got a result");
}

describe("a valid header", () => {
  test("gives each tensor's span, in the header's order, and the metadata", () => {
    const file = write(
      JSON.stringify({
        __metadata__: { format: "pt" },
        b: entry("BF16", [2, 3], [16, 28]),
        a: entry("F32", [4], [0, 16]),
        scalar: entry("I64", [], [28, 36]),
        empty: entry("F16", [0, 5], [36, 36]),
      }).padEnd(320),
      36,
    );
    const { tensors, metadata } = readSafetensorsHeader(file);
    expect([...tensors.keys()]).toEqual(["b", "a", "scalar", "empty"]);
    expect(tensors.get("b")).toEqual({
      name: "b",
      dtype: "bfloat16",
      shape: [2, 3],
      file,
      byteOffset: 8 + 320 + 16,
      byteLength: 12,
    });
    expect(tensors.get("scalar")).toMatchObject({ shape: [], byteLength: 8 });
    expect(tensors.get("empty")).toMatchObject({ shape: [0, 5], byteLength: 0 });
    expect([...metadata]).toEqual([["format", "pt"]]);
  });

  test("accepts names that are special in JavaScript", () => {
    const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    expect(readSafetensorsHeader(write(header, 1)).tensors.get("__proto__")?.dtype).toBe("uint8");
  });
});

describe("refuses with CHECKPOINT, naming file and field", () => {
  const max = Number.MAX_SAFE_INTEGER;
  const cases: [string, () => string, string][] = [
    ["an empty file", emptyFile, "header length"],
    ["a header longer than the file", () => write("{}", 0, 100n), "header"],
    ["a header of 2^63 bytes", () => write("{}", 0, 2n ** 63n), "header length"],
    ["a header above 100 MB", () => write("{}", 0, 100_000_001n), "header length"],
    ["a missing header", () => write("", 0, 0n), "header"],
    ["a header that is not an object", () => write("[1]", 0), "header"],
    ["a header in UTF-16", () => write("{\xff\xfe}", 0), "JSON"],
    ["broken JSON", () => write('{"w":', 0), "JSON"],
    ["data after the JSON", () => write("{} x", 0), "JSON"],
    ["deep nesting", () => write(`{"w":${"[".repeat(5000)}${"]".repeat(5000)}}`, 0), "JSON"],
    [
      "a repeated tensor",
      () => write(`{"w":${one("U8", [1], [0, 1]).slice(5, -1)},"w":1}`, 1),
      '"w"',
    ],
    ["a repeated tensor with an escaped name", () => write('{"w":1,"\\u0077":1}', 0), '"w"'],
    ["a repeated offset key", () => write('{"w":{"dtype":"U8","dtype":"F32"}}', 0), '"dtype"'],
    ["an entry that is a number", () => write('{"w":5}', 0), "w"],
    ["an entry that is null", () => write('{"w":null}', 0), "w"],
    [
      "an unknown key",
      () => write('{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1),
      "w",
    ],
    ["a missing shape", () => write('{"w":{"dtype":"U8","data_offsets":[0,1]}}', 1), "w.shape"],
    ["an unknown element type", () => write(one("Q4_K", [1], [0, 1]), 1), "w.dtype"],
    [
      "a dtype named after Object.prototype",
      () => write(one("constructor", [1], [0, 1]), 1),
      "w.dtype",
    ],
    ["a negative size", () => write(one("U8", [-1], [0, 1]), 1), "w.shape.0"],
    ["a fractional size", () => write(one("U8", [1.5], [0, 1]), 1), "w.shape.0"],
    [
      "a size of 1e300",
      () => write('{"w":{"dtype":"U8","shape":[1e300],"data_offsets":[0,1]}}', 1),
      "w.shape.0",
    ],
    ["a size as text", () => write(one("U8", ["1"], [0, 1]), 1), "w.shape.0"],
    ["a product that overflows", () => write(one("F32", [2 ** 32, 2 ** 32], [0, 4]), 4), "w.shape"],
    ["an overflow hidden by a zero", () => write(one("F32", [0, max, max], [0, 0]), 0), "w.shape"],
    ["an item size that overflows", () => write(one("F64", [max], [0, 8]), 8), "w.shape"],
    ["too many dimensions", () => write(one("U8", new Array(9).fill(1), [0, 1]), 1), "w.shape"],
    ["a span shorter than the shape", () => write(one("F32", [4], [0, 15]), 16), "w.data_offsets"],
    ["a span longer than the shape", () => write(one("F32", [4], [0, 17]), 17), "w.data_offsets"],
    [
      "a span that ends before it begins",
      () => write(one("F32", [4], [16, 0]), 16),
      "w.data_offsets",
    ],
    ["a negative offset", () => write(one("F32", [4], [-16, 0]), 16), "w.data_offsets.0"],
    ["three offsets", () => write(one("F32", [4], [0, 16, 16]), 16), "w.data_offsets"],
    ["a span beyond the file", () => write(one("F32", [4], [0, 16]), 8), "w.data_offsets"],
    [
      "a span far beyond the file",
      () => write(one("U8", [2 ** 52], [0, 2 ** 52]), 8),
      "w.data_offsets",
    ],
    ["data of no tensor", () => write(one("F32", [4], [0, 16]), 20), "data"],
    ["a hole at the beginning", () => write(one("F32", [4], [4, 20]), 20), "w.data_offsets"],
    ["metadata that is not text", () => write('{"__metadata__":{"a":1}}', 0), "__metadata__"],
    ["metadata that is a list", () => write('{"__metadata__":["a"]}', 0), "__metadata__"],
    [
      "overlapping tensors",
      () => write(JSON.stringify({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [2, 6]) }), 6),
      "b.data_offsets",
    ],
    [
      "two tensors on the same bytes",
      () => write(JSON.stringify({ a: entry("U8", [4], [0, 4]), b: entry("I8", [4], [0, 4]) }), 4),
      "b.data_offsets",
    ],
    [
      "a hole in the middle",
      () => write(JSON.stringify({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [5, 9]) }), 9),
      "b.data_offsets",
    ],
  ];

  function emptyFile(): string {
    const file = join(dir, "empty.safetensors");
    writeFileSync(file, "");
    return file;
  }

  test.each(cases)("%s", (_, make, field) => {
    const file = make();
    const error = refusal(() => readSafetensorsHeader(file));
    expect(error.code, error.message).toBe("CHECKPOINT");
    expect(error.message.startsWith(`${file}: expected `), error.message).toBe(true);
    expect(error.message).toContain(` for ${field}, got `);
    expect(error.message.length).toBeLessThan(500);
  });

  test("a folder, and a missing file", () => {
    const folder = join(dir, "folder.safetensors");
    mkdirSync(folder);
    expect(refusal(() => readSafetensorsHeader(folder)).code).toBe("CHECKPOINT");
    const missing = join(dir, "missing.safetensors");
    expect(refusal(() => readSafetensorsHeader(missing)).code).toBe("NOT_FOUND");
  });
});
