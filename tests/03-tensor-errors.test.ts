import { describe, expect, test } from "vitest";
import {
  cat,
  empty,
  full,
  GemlensError,
  ones,
  stack,
  Tensor,
  tensor,
  where,
  zeros,
} from "../lib/index.js";
import { call } from "../lib/native/call.js";
import { handleOf } from "../lib/tensor/internal.js";
import { type Operation, vocabulary } from "../lib/tensor/vocabulary.js";
import { device, failure } from "./support/compare.js";

type Loose = Record<string, (...args: unknown[]) => unknown>;
const free: Loose = { cat, stack, where } as unknown as Loose;

/** A value that each kind of argument takes, for a [2, 3] tensor. */
const good: Record<string, () => unknown> = {
  tensor: () => ones([2, 3], { device }),
  tensors: () => [ones([2, 3], { device })],
  operand: () => 2,
  indices: () => [0],
  integer: () => 1,
  integers: () => [2, 3],
  dims: () => 0,
  number: () => 2,
  boolean: () => true,
  dtype: () => "float32",
  device: () => device,
};

function goodArguments(operation: Operation): unknown[] {
  return operation.args.map(([, kind]) => good[kind]?.());
}

describe("every operation refuses", () => {
  for (const [name, operation] of Object.entries(vocabulary as Record<string, Operation>)) {
    const invoke = (self: unknown, args: unknown[]) =>
      operation.free
        ? free[name]?.(...args)
        : (Tensor.prototype as unknown as Loose)[name]?.apply(self, args);

    if (!operation.free) {
      test(`${name}: a disposed tensor`, async () => {
        const x = ones([2, 3], { device });
        x.dispose();
        expect(await failure(() => invoke(x, goodArguments(operation)))).toMatchObject({
          code: "DISPOSED",
          name: "DisposedError",
          message: `${name}: the tensor was disposed`,
        });
      });

      test(`${name}: something that is no tensor`, async () => {
        for (const self of [{}, null, 5, { shape: [2, 3] }]) {
          expect(await failure(() => invoke(self, goodArguments(operation)))).toMatchObject({
            code: "ARGUMENT",
          });
        }
      });
    }

    operation.args.forEach(([argument, kind], i) => {
      const takesTensors = kind === "tensor" || kind === "tensors" || kind === "operand";
      if (takesTensors || kind === "indices") {
        test(`${name}: a disposed ${argument}`, async () => {
          const gone = ones([2, 3], { device });
          gone.dispose();
          const args = goodArguments(operation);
          args[i] = kind === "tensors" ? [gone] : gone;
          const error = await failure(() => invoke(ones([2, 3], { device }), args));
          expect(error).toMatchObject({ code: "DISPOSED" });
          expect(error.message).toContain(argument);
        });
      }
      test(`${name}: a wrong ${argument}`, async () => {
        for (const wrong of ["x", {}, () => 1, Number.NaN, null]) {
          // NaN is a number, and a name is a device.
          if (typeof wrong === "number" && (kind === "number" || kind === "operand")) continue;
          const args = goodArguments(operation);
          args[i] = wrong;
          const x = ones([2, 3], { device });
          const error = await failure(() => invoke(x, args));
          expect(error, String(wrong)).toBeInstanceOf(GemlensError);
          expect(error).toMatchObject({ code: "ARGUMENT" });
          expect(error.message).toMatch(new RegExp(`^${name}: expected .* for ${argument}, got `));
          expect(x.tolist()).toEqual([
            [1, 1, 1],
            [1, 1, 1],
          ]);
        }
      });
    });

    test(`${name}: options and arguments that it does not have`, async () => {
      const args = goodArguments(operation);
      const extra = operation.options ? [...args, { dimm: 0 }] : [...args, 1, 2, 3, 4];
      expect(await failure(() => invoke(ones([2, 3], { device }), extra))).toMatchObject({
        code: "ARGUMENT",
        message: expect.stringContaining(operation.options ? '"dimm"' : `${name}(`),
      });
    });
  }
});

describe("shapes that do not fit", () => {
  const x = () => ones([2, 3], { device });
  const refused: Record<string, () => unknown> = {
    reshape: () => x().reshape([4]),
    permute: () => x().permute([0, 0]),
    transpose: () => x().transpose(0, 2),
    slice: () => x().slice(2, 0),
    select: () => x().select(1, 3),
    index: () => x().index(1, [3]),
    squeeze: () => x().squeeze(5),
    unsqueeze: () => x().unsqueeze(9),
    expand: () => x().expand([2, 4]),
    cat: () => cat([x(), ones([2, 4], { device })]),
    stack: () => stack([x(), ones([3, 2], { device })]),
    add: () => x().add(ones([4], { device })),
    mul_: () => x().mul_(ones([4], { device })),
    matmul: () => x().matmul(x()),
    sum: () => x().sum({ dim: 2 }),
    max: () => x().max({ dim: -3 }),
    softmax: () => x().softmax(2),
    topk: () => x().topk(4),
    clamp: () => x().clamp(),
    item: () => x().item(),
    copy_: () => x().copy_(ones([4], { device })),
    mean: () => x().to("int32").mean(),
    allClose: () => x().allClose(ones([4], { device })),
  };
  for (const [name, fn] of Object.entries(refused)) {
    test(name, async () => {
      const error = await failure(fn);
      expect(error).toMatchObject({ code: "ARGUMENT", name: "GemlensError" });
      expect(error.message.startsWith(`${name}: `)).toBe(true);
      // libtorch's own stack and build paths stay out of the message.
      expect(error.message).not.toMatch(/\n|\.cpp/);
    });
  }

  test("an index out of range is refused on the host", async () => {
    const table = ones([2, 3], { device });
    for (const bad of [3, -1, 2 ** 40]) {
      expect(await failure(() => table.index(1, [bad]))).toMatchObject({ code: "ARGUMENT" });
    }
    expect(table.index(1, [2]).tolist()).toEqual([[1], [1]]);
  });

  test("an in-place operation that fails changes nothing", async () => {
    const y = tensor([1, 2, 3], { device });
    await failure(() => y.add_(ones([2], { device })));
    expect(y.tolist()).toEqual([1, 2, 3]);
  });
});

test("in place on a frozen tensor or a view of it", async () => {
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { device },
  );
  call("test", (addon) => addon.tensorFreeze(handleOf(x, "test")));
  const inPlace: Record<string, (t: Tensor) => unknown> = {
    add_: (t) => t.add_(1),
    sub_: (t) => t.sub_(1),
    mul_: (t) => t.mul_(2),
    div_: (t) => t.div_(2),
    fill_: (t) => t.fill_(0),
    copy_: (t) => t.copy_(zeros([2], { device })),
  };
  for (const [name, fn] of Object.entries(inPlace)) {
    for (const target of [x, x.select(0, 0), x.reshape([4])]) {
      const error = await failure(() => fn(target));
      expect(error, name).toMatchObject({ code: "ARGUMENT" });
      expect(error.message).toMatch(new RegExp(`^${name}: .*clone\\(\\)`));
    }
  }
  expect(x.tolist()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(x.clone().add_(1).tolist()).toEqual([
    [2, 3],
    [4, 5],
  ]);
});

test("errors carry the caller's stack", async () => {
  function scriptOfTheUser() {
    return ones([2, 3], { device }).matmul(ones([2, 3], { device }));
  }
  const error = await failure(scriptOfTheUser);
  expect(error.stack).toContain("scriptOfTheUser");
  expect(error.cause).toBeInstanceOf(Error);
});

describe("creation refuses", () => {
  const cases: [string, () => unknown, string, RegExp][] = [
    ["negative sizes", () => zeros([2, -1]), "SHAPE", /^zeros: expected sizes ≥ 0 for shape/],
    [
      "a size that is no integer",
      () => empty([1.5]),
      "ARGUMENT",
      /integers for shape, got \[1.5\]/,
    ],
    ["a shape that is no list", () => ones(3 as never), "ARGUMENT", /^ones: .* for shape, got 3/],
    ["sizes beyond memory's addresses", () => empty([2 ** 40, 2 ** 40]), "SHAPE", /^\w+: /],
    ["unknown options", () => zeros([1], { dtyp: "int32" } as never), "ARGUMENT", /"dtyp"/],
    ["unknown dtypes", () => zeros([1], { dtype: "float8" as never }), "ARGUMENT", /"float8"/],
    ["unknown devices", () => zeros([1], { device: "tpu" }), "ARGUMENT", /"tpu"/],
    ["ragged rows", () => tensor([[1, 2], [3]]), "SHAPE", /a row of 1/],
    ["rows of other depths", () => tensor([[1], 2]), "SHAPE", /nesting/],
    ["rows of other depths", () => tensor([1, [2]]), "SHAPE", /nesting/],
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
    ["a shape of another size", () => tensor([1, 2, 3], { shape: [2, 2] }), "SHAPE", /4 values/],
    ["a bigint that is no float", () => full([1], 2n ** 53n + 1n), "ARGUMENT", /^full: /],
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

  test("fills on the device asked for", () => {
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
