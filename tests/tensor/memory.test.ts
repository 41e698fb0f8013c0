import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import {
  DisposedError,
  empty,
  full,
  memory,
  ones,
  Tensor,
  tensor,
  tidy,
  zeros,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";

const onCpu = device === "cpu";
let before: ReturnType<typeof memory>;
beforeEach(async () => {
  before = await settledMemory();
});
const live = () => memory().tensors - before.tensors;

describe("reading", () => {
  test.runIf(onCpu)("data is the tensor's own memory, in both directions", () => {
    using x = empty([2, 3]);
    const { data } = x;
    expect(data).toBeInstanceOf(Float32Array);
    (data as Float32Array).set([1, 2, 3, 4, 5, 6]);
    expect(x.sum().item()).toBe(21);
    x.mul_(2);
    expect([...data]).toEqual([2, 4, 6, 8, 10, 12]);
    expect(x.data.buffer).toBe(data.buffer);
  });

  test.runIf(onCpu)("data of a view begins at the view", () => {
    using x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    using row = x.select(0, 1);
    (row.data as Float32Array)[0] = 40;
    expect(x.tolist()).toEqual([
      [1, 2, 3],
      [40, 5, 6],
    ]);
    expect(row.data.buffer).toBe(x.data.buffer);
    expect(row.data.byteOffset).toBe(12);
  });

  test.runIf(onCpu)("data outlives dispose", () => {
    const x = tensor([1, 2, 3]);
    const { data } = x;
    x.dispose();
    for (let i = 0; i < 100; i++) zeros([3]).dispose();
    expect([...data]).toEqual([1, 2, 3]);
  });

  test.runIf(onCpu)("data has its dtype's array type", () => {
    const kind = (dtype: Parameters<Tensor["read"]>[0]) =>
      tensor([1, 0, 1], { dtype }).data.constructor;
    expect(kind("float32")).toBe(Float32Array);
    expect(kind("float64")).toBe(Float64Array);
    expect(kind("int32")).toBe(Int32Array);
    expect(kind("int64")).toBe(BigInt64Array);
    expect(kind("uint8")).toBe(Uint8Array);
    expect(kind("bool")).toBe(Uint8Array);
    expect(kind("bfloat16")).toBe(Uint16Array);
    expect(kind("float16")).toBe(Uint16Array);
  });

  test.runIf(onCpu)("bfloat16 bits are stored and returned unchanged", async () => {
    using x = tensor(Uint16Array.of(0x3f80, 0xc040, 0x7f80), { dtype: "bfloat16" });
    expect([...(await x.read())]).toEqual([1, -3, Number.POSITIVE_INFINITY]);
    expect([...x.data]).toEqual([0x3f80, 0xc040, 0x7f80]);
  });

  test.runIf(!onCpu)("data of a GPU tensor names the remedy", async () => {
    const error = await failure(() => ones([2], { device }).data);
    expect(error).toMatchObject({ code: "DEVICE" });
    expect(error.message).toMatch(/read\(\)/);
  });

  test("data of a strided view names the remedy", async () => {
    const error = await failure(() => ones([2, 3]).transpose(0, 1).data);
    expect(error).toMatchObject({ code: "ARGUMENT" });
    expect(error.message).toBe(
      "data: expected a contiguous tensor, got a strided view of shape [3, 2]; use " +
        "tensor.contiguous() or await tensor.read()",
    );
  });

  test("read copies, in row-major order", async () => {
    using x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device },
    );
    const data = await x.transpose(0, 1).read();
    expect(data).toEqual(Float32Array.of(1, 3, 2, 4));
    data[0] = 99;
    expect(x.tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(x.readSync()).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  test("16-bit floats widen", async () => {
    for (const dtype of ["bfloat16", "float16"] as const) {
      using x = tensor([1.5, -0.25, 3], { dtype, device });
      expect(await x.read()).toEqual(Float32Array.of(1.5, -0.25, 3));
      expect(x.readSync()).toEqual(Float32Array.of(1.5, -0.25, 3));
    }
  });

  test("read converts on request, and leaves no tensor alive", async () => {
    using x = tensor([1, 0, 3], { dtype: "int64", device });
    expect(await x.read("float32")).toEqual(Float32Array.of(1, 0, 3));
    expect(x.readSync("bool")).toEqual(Uint8Array.of(1, 0, 1));
    expect(await x.read()).toEqual(BigInt64Array.of(1n, 0n, 3n));
    expect(live()).toBe(1);
  });

  test("read retains its input at the call", async () => {
    const x = full([1000], 7, { device });
    const reading = x.read();
    x.dispose();
    expect(await reading).toEqual(new Float32Array(1000).fill(7));
  });

  test("item and tolist give JavaScript values", () => {
    expect(tensor(2.5, { device }).item()).toBe(2.5);
    expect(tensor([[7]], { dtype: "int32", device }).item()).toBe(7);
    expect(tensor(2n ** 53n + 1n, { device }).item()).toBe(2n ** 53n + 1n);
    expect(tensor(true, { device }).item()).toBe(true);
    expect(tensor([[1n], [2n]], { device }).tolist()).toEqual([[1n], [2n]]);
    expect(tensor([true, false], { device }).tolist()).toEqual([true, false]);
    expect(tensor(5, { device }).tolist()).toBe(5);
    expect(empty([2, 0], { device }).tolist()).toEqual([[], []]);
    expect(empty([0, 2], { device }).tolist()).toEqual([]);
  });
});

describe("properties", () => {
  test("shape, ndim, size, nbytes, dtype, device", () => {
    using x = zeros([2, 3, 4], { dtype: "bfloat16", device });
    expect(x.shape).toEqual([2, 3, 4]);
    expect(Object.isFrozen(x.shape)).toBe(true);
    expect(x.ndim).toBe(3);
    expect(x.size).toBe(24);
    expect(x.nbytes).toBe(48);
    expect(x.dtype).toBe("bfloat16");
    expect(x.device).toBe(onCpu ? "cpu" : "cuda:0");
    expect(tensor(1).size).toBe(1);
    expect(tensor(1).ndim).toBe(0);
  });

  test("memory counts live tensors and their bytes once", () => {
    const bytes = () => memory()[onCpu ? "cpuBytes" : "cudaBytes"];
    const start = bytes();
    const x = zeros([1000], { device });
    const view = x.slice(0, 0, 10);
    expect(live()).toBe(2);
    expect(bytes() - start).toBeGreaterThanOrEqual(4000);
    expect(bytes() - start).toBeLessThan(8000);
    x.dispose();
    expect(bytes() - start).toBeGreaterThanOrEqual(4000);
    view.dispose();
    expect(bytes()).toBe(start);
    expect(live()).toBe(0);
  });
});

describe("dispose", () => {
  test("frees at once, twice does nothing", () => {
    const x = zeros([10], { device });
    expect(live()).toBe(1);
    x.dispose();
    x.dispose();
    expect(x.isDisposed).toBe(true);
    expect(live()).toBe(0);
  });

  test("using frees at the end of the block", () => {
    let seen: Tensor;
    {
      using x = zeros([10], { device });
      seen = x;
      expect(live()).toBe(1);
    }
    expect(seen.isDisposed).toBe(true);
    expect(live()).toBe(0);
  });

  test("every later use is a DisposedError that names the call", async () => {
    const x = zeros([10], { device });
    x.dispose();
    using y = zeros([10], { device });
    for (const [what, use] of Object.entries({
      add: () => x.add(1),
      mul_: () => x.mul_(2),
      shape: () => x.shape,
      dtype: () => x.dtype,
      data: () => x.data,
      read: () => x.read(),
      readSync: () => x.readSync(),
      tolist: () => x.tolist(),
      item: () => x.item(),
      keep: () => x.keep(),
      isContiguous: () => x.isContiguous,
    })) {
      const error = await failure(use);
      expect(error, what).toBeInstanceOf(DisposedError);
      expect(error.message).toBe(`${what}: the tensor was disposed`);
      expect(error.code).toBe("DISPOSED");
    }
    const error = await failure(() => y.add(x));
    expect(error.message).toBe("add: the tensor given for other was disposed");
  });
});

describe("tidy", () => {
  test("disposes tensors that are created inside and not returned", () => {
    const result = tidy(() => zeros([3], { device }).add(1).mul(2).exp());
    expect(live()).toBe(1);
    expect(result.isDisposed).toBe(false);
    result.dispose();
  });

  test("looks inside arrays and plain objects", () => {
    const { pair, sum } = tidy(() => {
      const x = ones([3], { device });
      return { pair: [x, x.neg()] as const, sum: { of: x.sum() } };
    });
    expect(live()).toBe(3);
    expect([pair[0], pair[1], sum.of].map((x) => x.isDisposed)).toEqual([false, false, false]);
    for (const x of [...pair, sum.of]) x.dispose();
  });

  test("keeps kept tensors, and leaves outside tensors alone", () => {
    using outside = ones([3], { device });
    let kept: Tensor | undefined;
    tidy(() => {
      kept = outside.add(1).keep();
      outside.add(2);
    });
    expect(outside.isDisposed).toBe(false);
    expect(kept?.isDisposed).toBe(false);
    expect(live()).toBe(2);
    kept?.dispose();
  });

  test("nests: the outer one takes over the tensors that the inner one returns", () => {
    let inner: Tensor | undefined;
    tidy(() => {
      inner = tidy(() => ones([3], { device }).add(1));
      expect(inner.isDisposed).toBe(false);
      expect(live()).toBe(1);
    });
    expect(inner?.isDisposed).toBe(true);
    expect(live()).toBe(0);
  });

  test("follows await, also in two functions at a time", async () => {
    const work = (pause: number) =>
      tidy(async () => {
        const x = ones([3], { device });
        await sleep(pause);
        const y = x.add(pause);
        await sleep(pause);
        expect(x.isDisposed).toBe(false);
        return y.sum();
      });
    const results = await Promise.all([work(5), work(12), work(1)]);
    expect(results.map((x) => x.item())).toEqual([18, 39, 6]);
    expect(live()).toBe(3);
    for (const x of results) x.dispose();
  });

  test("frees everything when the function throws or rejects", async () => {
    expect(() =>
      tidy(() => {
        ones([3], { device }).add(1);
        throw new RangeError("no");
      }),
    ).toThrow(RangeError);
    expect(live()).toBe(0);
    const late = tidy(async () => {
      ones([3], { device }).add(1);
      await sleep(1);
      throw new RangeError("no");
    });
    await expect(late).rejects.toThrow(RangeError);
    expect(live()).toBe(0);
  });

  test("assigns tensors created after its end to the surrounding scope", async () => {
    let later: Promise<Tensor> | undefined;
    await tidy(async () => {
      tidy(() => {
        later = sleep(5).then(() => ones([1], { device }));
      });
      const x = await (later as Promise<Tensor>);
      expect(x.isDisposed).toBe(false);
    });
    expect((await (later as Promise<Tensor>)).isDisposed).toBe(true);
  });

  test("views of freed tensors stay valid", () => {
    const row = tidy(() =>
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { device },
      ).select(0, 1),
    );
    expect(row.tolist()).toEqual([3, 4]);
    row.dispose();
  });
});

describe("console.log", () => {
  const shown = (x: Tensor) => inspect(x);
  const where = onCpu ? "cpu" : "cuda:0";

  test("shows small tensors whole", () => {
    expect(
      shown(
        tensor(
          [
            [1, 2.5],
            [-3, 1 / 3],
          ],
          { device },
        ),
      ),
    ).toBe(`Tensor [2, 2] float32 ${where} [[1, 2.5], [-3, 0.33333]]`);
    expect(shown(tensor(7n, { device }))).toBe(`Tensor [] int64 ${where} 7`);
    expect(shown(tensor([true, false], { device }))).toBe(`Tensor [2] bool ${where} [true, false]`);
    expect(shown(tensor([1.5], { dtype: "bfloat16", device }))).toBe(
      `Tensor [1] bfloat16 ${where} [1.5]`,
    );
  });

  test("shows the start of large ones, strided or not", () => {
    using x = tensor(
      Float32Array.from({ length: 600 }, (_, i) => i),
      { shape: [2, 3, 100], device },
    );
    expect(shown(x)).toBe(`Tensor [2, 3, 100] float32 ${where} [[[0, 1, 2, 3, 4, 5, …`);
    expect(shown(x.transpose(0, 2))).toBe(`Tensor [100, 3, 2] float32 ${where} [[[0, 300, …`);
  });

  test("never throws", () => {
    expect(shown(empty([0, 5], { device }))).toBe(`Tensor [0, 5] float32 ${where} []`);
    expect(shown(empty([1000, 0], { device }))).toBe(`Tensor [1000, 0] float32 ${where} []`);
    expect(shown(tensor([Number.NaN, Number.NEGATIVE_INFINITY], { device }))).toBe(
      `Tensor [2] float32 ${where} [NaN, -Infinity]`,
    );
    const gone = zeros([2, 3], { device });
    expect(gone.shape).toEqual([2, 3]);
    gone.dispose();
    expect(shown(gone)).toBe("Tensor [2, 3] (disposed)");
    expect(String(Tensor.prototype)).toBe("Tensor");
    expect(String(tensor([1], { device }))).toBe(`Tensor [1] float32 ${where} [1]`);
  });

  test("creates no tensor that stays", () => {
    using x = zeros([100, 100], { device });
    shown(x);
    tidy(() => shown(x));
    expect(live()).toBe(1);
  });
});
