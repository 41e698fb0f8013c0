import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { GemlensError, openNpz } from "../../lib/index.js";
import { newFolder } from "../support/folder.js";
import { type End, f4, type Member, npy, vector, wide, zip as writeZip } from "./zip.js";

const variants = fileURLToPath(new URL("../fixtures/tiny-gemma2/gs1/variants/", import.meta.url));

let dir: string;
beforeAll(() => {
  dir = newFolder();
});

const zip = (members: Member[], end?: End, tail?: Buffer): string =>
  writeZip(join(dir, "hostile.npz"), members, end, tail);

function refusal(run: () => unknown): GemlensError {
  try {
    run();
  } catch (error) {
    if (GemlensError.is(error)) return error;
    throw error;
  }
  throw new Error("expected a GemlensError, got a result");
}

describe("refuses with CHECKPOINT, naming file and field", () => {
  const a = { name: "a.npy", content: vector };
  const ones = 0xffffffff;
  const header = (text: string, bytes = 16): string =>
    zip([{ name: "a.npy", content: npy(text, Buffer.alloc(bytes)) }]);
  const zeros = Buffer.alloc(1 << 20);
  const bomb = npy(f4("(262144,)"), zeros);
  const patched = (at: number, value: number): Buffer => {
    const copy = Buffer.from(vector);
    copy[at] = value;
    return copy;
  };
  const descriptor = Buffer.alloc(16);
  descriptor.writeUInt32LE(0x08074b50, 0);

  const cases: [string, () => string, string][] = [
    // The archive.
    ["a file that is no zip", () => zip([], {}, Buffer.alloc(30)), "zip end record"],
    ["bytes after the end", () => zip([a], {}, Buffer.from("x")), "zip end record"],
    ["several disks", () => zip([a], { disk: 1 }), "zip end record"],
    ["different counts", () => zip([a], { countHere: 2 }), "zip end record"],
    ["a count too high", () => zip([a], { count: 2 }), "zip member 1"],
    ["a count too low", () => zip([a, { ...a, name: "b.npy" }], { count: 1 }), "zip directory"],
    ["a directory offset too high", () => zip([a], { offset: 5000 }), "zip directory"],
    ["a directory size too low", () => zip([a], { size: 10 }), "zip directory"],
    ["all ones without a zip64 record", () => zip([a], { offset: ones }), "zip64 end record"],
    [
      "zip64: a count different from the end record's",
      () => zip([a], { zip64: {}, count: 2 }),
      "zip64 end record",
    ],
    ["zip64: 2^60 members", () => zip([a], { zip64: { count: 2n ** 60n } }), "zip64 member count"],
    ["zip64: a million members", () => zip([a], { zip64: { count: 1_000_000n } }), "zip directory"],
    [
      "zip64: a directory beyond the file",
      () => zip([a], { zip64: { offset: 2n ** 40n } }),
      "zip directory",
    ],
    [
      "zip64: sizes that overflow",
      () => zip([a], { zip64: { offset: 2n ** 64n - 8n } }),
      "zip64 directory offset",
    ],
    [
      "zip64: a record at another offset",
      () => zip([a], { zip64: { at: 0n } }),
      "zip64 end record",
    ],
    [
      "zip64: a record beyond the file",
      () => zip([a], { zip64: { at: 2n ** 50n } }),
      "zip64 end record",
    ],
    [
      "zip64: a record of another length",
      () => zip([a], { zip64: { length: 60n } }),
      "zip64 end record",
    ],
    ["zip64: several disks", () => zip([a], { zip64: { disks: 2 } }), "zip64 locator"],
    [
      "an invalid directory record",
      () => zip([{ ...a, central: { signature: 1 } }]),
      "zip member 0",
    ],
    // Its members.
    ["a repeated name", () => zip([a, a]), '"a.npy"'],
    ["a name without .npy", () => zip([{ ...a, name: "a.txt" }]), '"a.txt"'],
    ["encryption", () => zip([{ ...a, local: { flags: 1 } }]), '"a.npy"'],
    [
      "encryption in one header only",
      () => zip([{ ...a, local: { flags: 1 }, central: { flags: 0 } }]),
      '"a.npy" local header',
    ],
    [
      "an unknown method",
      () => zip([{ ...a, local: { method: 12 }, central: { method: 12 } }]),
      '"a.npy"',
    ],
    ["different stored sizes", () => zip([{ ...a, central: { size: 1 << 20 } }]), '"a.npy"'],
    [
      "a local header beyond the file",
      () => zip([{ ...a, central: { offset: 1 << 20 } }]),
      '"a.npy" local header',
    ],
    [
      "a missing local header",
      () => zip([{ ...a, central: { offset: 3 } }]),
      '"a.npy" local header',
    ],
    [
      "a different name in the local header",
      () => zip([{ ...a, local: { name: "b.npy" } }]),
      '"a.npy" local header',
    ],
    [
      "a different method in the local header",
      () => zip([{ ...a, local: { method: 8 } }]),
      '"a.npy" local header',
    ],
    [
      "a different size in the local header",
      () => zip([{ ...a, local: { size: 1, packed: 1 } }]),
      '"a.npy" local header',
    ],
    [
      "a different checksum in the local header",
      () => zip([{ ...a, local: { crc: 1 } }]),
      '"a.npy" local header',
    ],
    [
      "missing zip64 sizes",
      () => zip([{ ...a, central: { size: ones, packed: ones } }]),
      '"a.npy" zip64 field',
    ],
    [
      "truncated zip64 sizes",
      () => zip([{ ...a, central: { size: ones, packed: ones, extra: wide(1n) } }]),
      '"a.npy" zip64 field',
    ],
    [
      "zip64 sizes above 2^53",
      () =>
        zip([{ ...a, central: { size: ones, packed: ones, extra: wide(2n ** 60n, 2n ** 60n) } }]),
      '"a.npy" zip64 field',
    ],
    [
      "zip64 sizes beyond the file",
      () =>
        zip([{ ...a, central: { size: ones, packed: ones, extra: wide(2n ** 40n, 2n ** 40n) } }]),
      '"a.npy" local header',
    ],
    [
      "extra fields beyond their length",
      () => zip([{ ...a, central: { size: ones, extra: Buffer.from([2, 0, 99, 0]) } }]),
      '"a.npy" zip64 field',
    ],
    [
      "a wrong descriptor",
      () => zip([{ ...a, local: { flags: 8, size: 0, packed: 0, crc: 0 }, descriptor }]),
      '"a.npy" data descriptor',
    ],
    [
      "members with the same bytes",
      () => zip([a, { ...a, name: "a.npy\0", central: { offset: 0 } }]),
      '"a.npy\\u0000" local header',
    ],
    [
      "nested members",
      () =>
        zip([
          { name: "a.npy", content: Buffer.concat([nested(), vector]) },
          { name: "b.npy", content: vector, central: { offset: 35 } },
        ]),
      '"b.npy"',
    ],
    [
      "data that runs into the directory",
      () => zip([{ ...a, local: { size: 200, packed: 200 }, central: { size: 200, packed: 200 } }]),
      '"a.npy"',
    ],
    // Deflated members.
    [
      "a bomb that declares too few bytes",
      () =>
        zip([
          {
            name: "a.npy",
            content: vector,
            deflate: true,
            raw: zlib.deflateRawSync(Buffer.concat([vector, zeros])),
          },
        ]),
      '"a.npy"',
    ],
    [
      "a bomb that declares more bytes than its shape",
      () => zip([{ name: "a.npy", content: Buffer.concat([vector, zeros]), deflate: true }]),
      '"a.npy"',
    ],
    [
      "a shape that deflate cannot hold",
      () =>
        zip([
          {
            name: "a.npy",
            content: bomb,
            deflate: true,
            raw: zlib.deflateRawSync(bomb.subarray(0, 200)),
          },
        ]),
      '"a.npy"',
    ],
    [
      "a truncated deflate stream",
      () =>
        zip([
          {
            name: "a.npy",
            content: bomb,
            deflate: true,
            raw: zlib.deflateRawSync(bomb).subarray(0, -40),
          },
        ]),
      '"a.npy"',
    ],
    [
      "an invalid deflate stream",
      () => zip([{ name: "a.npy", content: vector, deflate: true, raw: Buffer.alloc(100, 0xff) }]),
      '"a.npy"',
    ],
    [
      "a wrong checksum",
      () =>
        zip([
          { name: "a.npy", content: vector, deflate: true, local: { crc: 7 }, central: { crc: 7 } },
        ]),
      '"a.npy"',
    ],
    // The arrays.
    ["a missing .npy signature", () => zip([{ name: "a.npy", content: patched(1, 0) }]), '"a.npy"'],
    [
      "an unknown format version",
      () => zip([{ name: "a.npy", content: patched(6, 9) }]),
      '"a.npy"',
    ],
    [
      "a header beyond the member",
      () => zip([{ name: "a.npy", content: patched(8, 0xff) }]),
      '"a.npy"',
    ],
    ["a header of 64 KB", () => zip([{ name: "a.npy", content: patched(9, 0xff) }]), '"a.npy"'],
    ["an empty member", () => zip([{ name: "a.npy", content: Buffer.alloc(0) }]), '"a.npy"'],
    ["fewer elements than the shape", () => header(f4("(5,)")), '"a.npy"'],
    ["more elements than the shape", () => header(f4("(3,)")), '"a.npy"'],
    ["a negative size", () => header(f4("(-4,)")), '"a.npy"'],
    ["a huge size", () => header(f4("(9007199254740993,)")), '"a.npy" shape'],
    ["a product that overflows", () => header(f4("(4294967296, 4294967296)")), '"a.npy" shape'],
    [
      "an overflow hidden by a zero",
      () => header(f4("(0, 4294967296, 4294967296)"), 0),
      '"a.npy" shape',
    ],
    ["a shape that is not a tuple", () => header(f4("(4)")), '"a.npy"'],
    ["a shape of text", () => header(f4("'4'")), '"a.npy" shape'],
    [
      "pickled objects",
      () => header("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"),
      '"a.npy" descr',
    ],
    [
      "big-endian elements",
      () => header("{'descr': '>f4', 'fortran_order': False, 'shape': (4,), }"),
      '"a.npy" descr',
    ],
    [
      "a record type",
      () => header("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (4,), }"),
      '"a.npy"',
    ],
    [
      "a repeated key",
      () => header("{'shape': (4,), 'shape': (4,), 'descr': '<f4', 'fortran_order': False}"),
      '"a.npy"',
    ],
    ["a missing key", () => header("{'descr': '<f4', 'shape': (4,), }"), '"a.npy"'],
    ["an additional key", () => header(`{'x': True, ${f4("(4,)").slice(1)}`), '"a.npy"'],
    [
      "an order that is not a bool",
      () => header("{'descr': '<f4', 'fortran_order': 'no', 'shape': (4,), }"),
      '"a.npy" fortran_order',
    ],
    [
      "a call",
      () => header("{'descr': '<f4', 'fortran_order': False, 'shape': exit(4,), }"),
      '"a.npy"',
    ],
    ["data after the dict", () => header(`${f4("(4,)")} or exit()`), '"a.npy"'],
    ["a dict that never closes", () => header("{'descr': '<f4', 'shape': (4,"), '"a.npy"'],
  ];

  /** A whole local header and array, to hide inside another member's data. */
  function nested(): Buffer {
    return readFileSync(zip([{ name: "b.npy", content: vector }])).subarray(0, 35 + vector.length);
  }

  test.each(cases)("%s", (_, make, field) => {
    const file = make();
    const error = refusal(() => openNpz(file));
    expect(error.code, error.message).toBe("CHECKPOINT");
    expect(error.message.startsWith(`${file}: expected `), error.message).toBe(true);
    expect(error.message).toContain(` for ${field}, got `);
    expect(error.message.length).toBeLessThan(500);
  });

  test("refuses a file that is truncated at any byte", () => {
    const whole = readFileSync(join(variants, "plain.npz"));
    const file = join(dir, "cut.npz");
    for (let length = 0; length < whole.length; length += 997) {
      writeFileSync(file, whole.subarray(0, length));
      expect(refusal(() => openNpz(file)).code).toBe("CHECKPOINT");
    }
  });
});
