import { describe, expect, test } from "vitest";
import { empty, full, ones, tensor, zeros } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";

describe("creation refuses", () => {
  const cases: [string, () => unknown, string, RegExp][] = [
    ["negative sizes", () => zeros([2, -1]), "SHAPE", /^zeros: expected sizes ≥ 0 for shape/],
    ["a fractional size", () => empty([1.5]), "ARGUMENT", /integers for shape, got \[1.5\]/],
    [
      "a shape that is not a list",
      () => ones(3 as never),
      "ARGUMENT",
      /^ones: .* for shape, got 3/,
    ],
    ["sizes beyond the address space", () => empty([2 ** 40, 2 ** 40]), "SHAPE", /^\w+: /],
    ["unknown options", () => zeros([1], { dtyp: "int32" } as never), "ARGUMENT", /"dtyp"/],
    ["unknown dtypes", () => zeros([1], { dtype: "float8" as never }), "ARGUMENT", /"float8"/],
    ["unknown devices", () => zeros([1], { device: "tpu" }), "ARGUMENT", /"tpu"/],
    ["ragged rows", () => tensor([[1, 2], [3]]), "SHAPE", /a row of 1/],
    ["rows of different depths", () => tensor([[1], 2]), "SHAPE", /nesting/],
    ["rows of different depths", () => tensor([1, [2]]), "SHAPE", /nesting/],
    ["mixed elements", () => tensor([1, 2n] as never), "ARGUMENT", /got number and bigint/],
    ["strings", () => tensor(["1"] as never), "ARGUMENT", /got string/],
    ["null", () => tensor(null as never), "ARGUMENT", /^tensor: /],
    ["fractions in int64", () => tensor([1.5], { dtype: "int64" }), "ARGUMENT", /got 1.5/],
    ["NaN in int32", () => tensor([Number.NaN], { dtype: "int32" }), "ARGUMENT", /got NaN/],
    ["256 in uint8", () => tensor([256], { dtype: "uint8" }), "ARGUMENT", /0 to 255/],
    ["2^31 in int32", () => tensor([2 ** 31], { dtype: "int32" }), "ARGUMENT", /got 2147483648/],
    ["2^63 in int64", () => tensor([2n ** 63n]), "ARGUMENT", /for int64/],
    ["bits without a dtype", () => tensor(new Uint16Array(2)), "ARGUMENT", /"bfloat16"/],
    ["an Int8Array", () => tensor(new Int8Array(2) as never), "ARGUMENT", /^tensor: /],
    ["a shape of the wrong size", () => tensor([1, 2, 3], { shape: [2, 2] }), "SHAPE", /4 values/],
    ["a bigint as a float", () => full([1], 2n ** 53n + 1n), "ARGUMENT", /^full: /],
  ];
  for (const [name, fn, code, message] of cases) {
    test(name, async () => {
      const error = await failure(fn);
      expect(error).toMatchObject({ code });
      expect(error.message).toMatch(message);
    });
  }
});

describe("creation", () => {
  test("chooses the dtype by the values", () => {
    const dtypes = [tensor([1, 2]), tensor([1n]), tensor([true]), tensor(new Float64Array(1))];
    expect(dtypes.map((x) => x.dtype)).toEqual(["float32", "int64", "bool", "float64"]);
    expect(tensor(new Uint8Array(2)).dtype).toBe("uint8");
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect([full([1], true).dtype, full([1], 5n).dtype, full([1], 5).dtype]).toEqual([
      "bool",
      "int64",
      "float32",
    ]);
  });

  test("fills on the requested device", () => {
    expect(zeros([2], { device }).tolist()).toEqual([0, 0]);
    expect(ones([2], { dtype: "int64", device }).tolist()).toEqual([1n, 1n]);
    expect(full([2], -2.5, { device }).tolist()).toEqual([-2.5, -2.5]);
    expect(full([2], true, { device }).tolist()).toEqual([true, true]);
    expect(empty([2, 2], { dtype: "float16", device }).shape).toEqual([2, 2]);
    expect(tensor([1, 2], { dtype: "bfloat16", device }).tolist()).toEqual([1, 2]);
  });

  test("copies typed arrays, with a shape", () => {
    const source = Float32Array.of(1, 2, 3, 4, 5, 6);
    const x = tensor(source, { shape: [2, 3], device });
    source.fill(0);
    expect(x.tolist()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(tensor(source.subarray(1, 3), { device }).shape).toEqual([2]);
    expect(tensor(Uint8Array.of(0, 7), { dtype: "bool", device }).tolist()).toEqual([false, true]);
    expect(tensor(Float32Array.of(0.5), { dtype: "float64", device }).item()).toBe(0.5);
  });
});

describe("dtypes follow torch", () => {
  const ints = () => tensor([1, 2, 5], { dtype: "int32", device });

  test("a whole number keeps integers, a fraction gives float32", () => {
    expect(ints().add(1).dtype).toBe("int32");
    expect(ints().add(1).tolist()).toEqual([2, 3, 6]);
    expect(ints().add(0.5).dtype).toBe("float32");
    expect(ints().add(0.5).tolist()).toEqual([1.5, 2.5, 5.5]);
  });

  test("for division, comparison and argmax", () => {
    expect(ints().div(2).dtype).toBe("float32");
    expect(ints().div(2).tolist()).toEqual([0.5, 1, 2.5]);
    expect(ints().gt(1).dtype).toBe("bool");
    expect(ints().gt(1).tolist()).toEqual([false, true, true]);
    expect(ints().argmax().dtype).toBe("int64");
    expect(ints().argmax().item()).toBe(2n);
  });

  test("a number does not widen a 16-bit float, a float32 tensor does", () => {
    const half = tensor([1, 2], { dtype: "bfloat16", device });
    expect(half.mul(0.1).dtype).toBe("bfloat16");
    expect(half.mul(tensor([1, 1], { device })).dtype).toBe("float32");
  });

  test("conversions round as their formats do", () => {
    // 1 + 2⁻⁸ lies between two bfloat16 numbers and rounds to the even one; float16 holds it.
    const x = tensor([1 + 2 ** -8, 65504], { device });
    expect(x.to("bfloat16").tolist()).toEqual([1, 65536]);
    expect(x.to("float16").tolist()).toEqual([1 + 2 ** -8, 65504]);
    expect(x.to("bool").tolist()).toEqual([true, true]);
    expect(tensor([0, -3.7], { device }).to("int64").tolist()).toEqual([0n, -3n]);
  });
});
