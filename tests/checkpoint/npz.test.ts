import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { GemlensError, openNpz, type TensorSource } from "../../lib/index.js";
import { newFolder } from "../support/folder.js";
import { type End, f4, type Member, npy, vector, wide, zip as writeZip } from "./zip.js";

const variants = fileURLToPath(new URL("../fixtures/tiny-gemma2/gs1/variants/", import.meta.url));

let dir: string;
beforeAll(() => {
  dir = newFolder();
});

const zip = (members: Member[], end?: End, tail?: Buffer): string =>
  writeZip(join(dir, "hostile.npz"), members, end, tail);

/** The array's elements at the location that the source reports. */
function floats(source: TensorSource | undefined): number[] {
  if (!source) throw new Error("no such array");
  const bytes =
    "bytes" in source
      ? source.bytes
      : readFileSync(source.file).subarray(
          source.byteOffset,
          source.byteOffset + source.byteLength,
        );
  return [...new Float32Array(Uint8Array.from(bytes).buffer)];
}

describe("NumPy's own archives", () => {
  // numpy.savez wrote the same five arrays in each of its formats.
  const plain = openNpz(join(variants, "plain.npz"));

  test.each(["zip64", "reordered", "streamed", "deflated"])("%s equals plain", (name) => {
    const arrays = openNpz(join(variants, `${name}.npz`));
    expect([...arrays.keys()].sort()).toEqual([...plain.keys()].sort());
    for (const [key, source] of plain) {
      const other = arrays.get(key);
      expect(other?.shape).toEqual(source.shape);
      expect(floats(other)).toEqual(floats(source));
      expect(other && "bytes" in other).toBe(name === "deflated");
    }
  });

  test("refuses Fortran order, naming the array and the remedy", () => {
    const error = refusal(() => openNpz(join(variants, "fortran.npz")));
    expect(error.message).toMatch(
      /fortran\.npz: expected C order \(numpy\.ascontiguousarray\) for /,
    );
  });
});

describe("valid archives", () => {
  test("reads a zip64 member whose 32-bit fields are all ones, after a comment", () => {
    const ones = 0xffffffff;
    const size = BigInt(vector.length);
    const file = zip(
      [
        {
          name: "a.npy",
          content: vector,
          local: { size: ones, packed: ones, extra: wide(size, size) },
          central: { size: ones, packed: ones, offset: ones, extra: wide(size, size, 0n) },
        },
      ],
      { zip64: {}, comment: "made by hand" },
    );
    expect(floats(openNpz(file).get("a"))).toEqual([1, 2, 3, 4]);
  });

  test.each([1, 2, 3])(
    "reads format version %i, element types, 0-d and empty arrays",
    (version) => {
      const member = (name: string, descr: string, shape: string, bytes: number): Member => ({
        name: `${name}.npy`,
        content: npy(
          `{"shape": ${shape}, "fortran_order": False, 'descr': '${descr}'}`,
          Buffer.alloc(bytes),
          version,
        ),
      });
      const file = zip([
        member("half", "<f2", "(2, 3)", 12),
        member("double", "<f8", "()", 8),
        member("long", "<i8", "(0, 7)", 0),
        member("bool", "|b1", "(3,)", 3),
        member("byte", "|u1", "(1,1,1)", 1),
        member("int", "<i4", "(2,)", 8),
      ]);
      const arrays = [...openNpz(file).values()];
      expect(arrays.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
        ["half", "float16", [2, 3]],
        ["double", "float64", []],
        ["long", "int64", [0, 7]],
        ["bool", "bool", [3]],
        ["byte", "uint8", [1, 1, 1]],
        ["int", "int32", [2]],
      ]);
    },
  );

  test("accepts Fortran order if it equals C order", () => {
    const file = zip([{ name: "a.npy", content: npy(f4("(1, 4)", "True"), vector.subarray(-16)) }]);
    expect(floats(openNpz(file).get("a"))).toEqual([1, 2, 3, 4]);
  });

  test("reads a bare .npy", () => {
    const file = join(dir, "bare.npy");
    writeFileSync(file, vector);
    expect(floats(openNpz(file).get("bare"))).toEqual([1, 2, 3, 4]);
    writeFileSync(file, vector.subarray(0, -1));
    expect(refusal(() => openNpz(file)).message).toContain(`${file}: expected a file of `);
  });
});

function refusal(run: () => unknown): GemlensError {
  try {
    run();
  } catch (error) {
    if (GemlensError.is(error)) return error;
    throw error;
  }
  throw new Error("expected a GemlensError, got a result");
}
