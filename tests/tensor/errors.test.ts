import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  cat,
  GemlensError,
  HookedTransformer,
  ones,
  stack,
  Tensor,
  type TensorFunctions,
  type TensorMethods,
  tensor,
  where,
  zeros,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";

type Loose = Record<string, (...args: unknown[]) => unknown>;
const free: Loose = { cat, stack, where } as unknown as Loose;
const x = () => ones([2, 3], { device });

// Valid arguments of each operation for a [2, 3] tensor, by the names that its errors use.
const calls: Record<
  keyof TensorMethods<[]> | keyof TensorFunctions,
  readonly (readonly [name: string, good: () => unknown])[]
> = {
  reshape: [["shape", () => [3, 2]]],
  permute: [["dims", () => [1, 0]]],
  transpose: [
    ["dim0", () => 0],
    ["dim1", () => 1],
  ],
  slice: [
    ["dim", () => 0],
    ["start", () => 0],
    ["end", () => 1],
    ["step", () => 1],
  ],
  select: [
    ["dim", () => 0],
    ["index", () => 1],
  ],
  index: [
    ["dim", () => 0],
    ["indices", () => [0, 1]],
  ],
  unsqueeze: [["dim", () => 0]],
  squeeze: [["dim", () => 0]],
  expand: [["shape", () => [2, 3]]],
  contiguous: [],
  cat: [
    ["tensors", () => [x(), x()]],
    ["dim", () => 1],
  ],
  stack: [
    ["tensors", () => [x(), x()]],
    ["dim", () => 1],
  ],
  add: [["other", x]],
  sub: [["other", x]],
  mul: [["other", x]],
  div: [["other", x]],
  add_: [["other", x]],
  sub_: [["other", x]],
  mul_: [["other", x]],
  div_: [["other", x]],
  neg: [],
  exp: [],
  log: [],
  sqrt: [],
  tanh: [],
  abs: [],
  relu: [],
  sigmoid: [],
  pow: [["exponent", () => 2]],
  clamp: [],
  matmul: [["other", () => ones([3, 2], { device })]],
  sum: [],
  mean: [],
  max: [],
  min: [],
  argmax: [],
  norm: [],
  softmax: [["dim", () => 0]],
  logSoftmax: [["dim", () => 0]],
  topk: [["k", () => 1]],
  gt: [["other", x]],
  lt: [["other", x]],
  ge: [["other", x]],
  le: [["other", x]],
  eq: [["other", x]],
  ne: [["other", x]],
  where: [
    ["condition", () => x().gt(0)],
    ["a", x],
    ["b", x],
  ],
  to: [],
  clone: [],
  copy_: [["source", x]],
  fill_: [["value", () => 2]],
  allClose: [["other", x]],
  item: [],
};
const withOptions = [
  "clamp",
  "sum",
  "mean",
  "max",
  "min",
  "argmax",
  "norm",
  "topk",
  "to",
  "allClose",
];
const inPlaceNames = ["add_", "sub_", "mul_", "div_", "copy_", "fill_"];

describe("every operation refuses", () => {
  for (const [name, parameters] of Object.entries(calls)) {
    const isFree = Object.hasOwn(free, name);
    const invoke = (self: unknown, args: unknown[]) =>
      isFree
        ? free[name]?.(...args)
        : (Tensor.prototype as unknown as Loose)[name]?.apply(self, args);
    const goodArguments = () => parameters.map(([, good]) => good());

    if (!isFree) {
      test(`${name}: a disposed tensor`, async () => {
        const gone = x();
        gone.dispose();
        expect(await failure(() => invoke(gone, goodArguments()))).toMatchObject({
          code: "DISPOSED",
          name: "DisposedError",
          message: `${name}: the tensor was disposed`,
        });
      });

      test(`${name}: a value that is no tensor`, async () => {
        for (const self of [{}, null, 5, { shape: [2, 3] }, Tensor.prototype]) {
          expect(await failure(() => invoke(self, goodArguments()))).toMatchObject({
            code: "ARGUMENT",
          });
        }
      });
    }

    parameters.forEach(([parameter, good], i) => {
      const takesTensors = good() instanceof Tensor || parameter === "tensors";
      if (takesTensors || parameter === "indices") {
        test(`${name}: a disposed ${parameter}`, async () => {
          const gone = x();
          gone.dispose();
          const args = goodArguments();
          args[i] = parameter === "tensors" ? [x(), gone] : gone;
          const error = await failure(() => invoke(x(), args));
          expect(error).toMatchObject({ code: "DISPOSED" });
          expect(error.message).toContain(parameter);
        });
      }

      test(`${name}: a wrong ${parameter}`, async () => {
        for (const wrong of ["x", {}, () => 1, null, [{}], [x(), 1], 2n]) {
          const args = goodArguments();
          args[i] = wrong;
          const self = x();
          const error = await failure(() => invoke(self, args));
          expect(error, String(wrong)).toBeInstanceOf(GemlensError);
          expect(error).toMatchObject({ code: "ARGUMENT" });
          expect(error.message).toMatch(
            new RegExp(`^${name}: expected .* for ${parameter}.*, got `),
          );
          expect(self.tolist()).toEqual(x().tolist());
        }
      });
    });

    test(`${name}: unknown options and arguments`, async () => {
      const options = withOptions.includes(name);
      const args = [...goodArguments(), ...(options ? [{ dimm: 0 }] : [1, 2, 3])];
      expect(await failure(() => invoke(x(), args))).toMatchObject({
        code: "ARGUMENT",
        message: expect.stringContaining(options ? '"dimm"' : `${name}(`),
      });
    });
  }

  test("but accepts the valid arguments of this test", () => {
    for (const [name, parameters] of Object.entries(calls)) {
      if (["item", "to", "clamp"].includes(name)) continue;
      const args = parameters.map(([, good]) => good());
      const method = free[name] ?? (Tensor.prototype as unknown as Loose)[name];
      expect(() => method?.apply(x(), args), name).not.toThrow();
    }
  });
});

describe("shapes that do not fit", () => {
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
      // The message must not contain libtorch's stack and build paths.
      expect(error.message).not.toMatch(/\n|\.cpp/);
    });
  }

  test("refuses an index out of range on the host", async () => {
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

test("refuses in-place changes of a model's own weight or a view of it", async () => {
  const folder = fileURLToPath(new URL("../fixtures/tiny-gemma2", import.meta.url));
  await using model = await HookedTransformer.fromPretrained(folder, { device });
  const weight = model.weight("W_E");
  const before = await weight.read();
  for (const name of inPlaceNames) {
    for (const target of [weight, weight.select(0, 0), weight.reshape([-1])]) {
      const args = name === "copy_" ? [zeros([1], { device })] : [2];
      const error = await failure(() => (target as unknown as Loose)[name]?.(...args));
      expect(error, name).toMatchObject({ code: "ARGUMENT" });
      expect(error.message).toMatch(new RegExp(`^${name}: .*clone\\(\\)`));
    }
  }
  expect(await weight.read()).toEqual(before);
  expect(weight.clone().fill_(1).max().item()).toBe(1);
});

test("errors carry the caller's stack", async () => {
  function scriptOfTheUser() {
    return ones([2, 3], { device }).matmul(ones([2, 3], { device }));
  }
  const error = await failure(scriptOfTheUser);
  expect(error.stack).toContain("scriptOfTheUser");
  expect(error.cause).toBeInstanceOf(Error);
});
