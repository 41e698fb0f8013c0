import assert from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { GemlensError, memory, type Tensor, tensor, zeros } from "../../lib/index.js";
import { device } from "../support/compare.js";

const on = { device: device as "cpu" };

describe("a deep comparison never finds two tensors equal", () => {
  const pairs: [what: string, a: Tensor, b: Tensor][] = [
    ["other shapes", tensor([1, 2], on), tensor([5, 3, 4], on)],
    ["other values", tensor([1, 2], on), tensor([1, 3], on)],
    ["equal values", tensor([1, 2], on), tensor([1, 2], on)],
    ["more elements than toJSON accepts", zeros([2000], on), zeros([2000], on)],
  ];
  test.each(pairs)("%s", (_, a, b) => {
    for (const [x, y] of [
      [a, b],
      [{ x: [a] }, { x: [b] }],
      [new Map([[1, a]]), new Map([[1, b]])],
    ]) {
      expect(() => assert.deepStrictEqual(x, y)).toThrow(
        /compare tensors with allClose|same structure/,
      );
      expect(() => assert.deepEqual(x, y)).toThrow(assert.AssertionError);
      expect(isDeepStrictEqual(x, y)).toBe(false);
      expect(() => expect(x).toEqual(y)).toThrow("deeply equal");
      expect(() => expect(x).toStrictEqual(y)).toThrow();
      expect(() => expect(x).to.deep.equal(y)).toThrow();
      assert.notDeepStrictEqual(x, y);
      expect(x).not.toEqual(y);
    }
    expect(a.reshape(a.shape)).not.toEqual(a);
  });

  test("a tensor equals itself, also after dispose", () => {
    const a = tensor([1, 2], on);
    assert.deepStrictEqual({ a }, { a });
    expect([a]).toEqual([a]);
    a.dispose();
    assert.deepStrictEqual({ a }, { a });
    expect([a]).toStrictEqual([a]);
  });

  test("node's message names the remedy", () => {
    const message = "compare tensors with allClose";
    expect(() => assert.deepStrictEqual([tensor([1])], [tensor([1])])).toThrow(message);
  });
});

test("a tensor can be neither cloned nor posted to a worker", () => {
  const error = expect.objectContaining({ name: "DataCloneError" });
  const { port1, port2 } = new MessageChannel();
  try {
    for (const value of [tensor([1]), { inside: [tensor([1])] }]) {
      expect(() => structuredClone(value)).toThrow(error);
      expect(() => port1.postMessage(value)).toThrow(error);
    }
  } finally {
    port1.close();
    port2.close();
  }
});

describe("JSON of a tensor", () => {
  const json = (x: Tensor) => JSON.parse(JSON.stringify(x)) as unknown;

  test("has its shape, dtype and values", () => {
    const x = tensor(
      [
        [1, 2.5],
        [-3, 4],
      ],
      on,
    );
    expect(json(x)).toEqual({ shape: [2, 2], dtype: "float32", values: [1, 2.5, -3, 4] });
    expect(json(x.select(1, 0))).toEqual({ shape: [2], dtype: "float32", values: [1, -3] });
    expect(json(tensor(7, on))).toEqual({ shape: [], dtype: "float32", values: [7] });
    expect(json(zeros([0, 3], on))).toEqual({ shape: [0, 3], dtype: "float32", values: [] });
    expect(JSON.stringify({ x: [tensor([1], on)] })).toBe(
      '{"x":[{"shape":[1],"dtype":"float32","values":[1]}]}',
    );
  });

  test.each<[Tensor["dtype"], (number | bigint | boolean)[], unknown[]]>([
    ["bfloat16", [1.5, -2], [1.5, -2]],
    ["float16", [0.25], [0.25]],
    ["float64", [0.1], [0.1]],
    ["int32", [1, -2], [1, -2]],
    ["int64", [1n, 2n ** 60n], [1, "1152921504606846976"]],
    ["bool", [true, false], [true, false]],
    ["uint8", [255], [255]],
  ])("has the numbers of %s", (dtype, values, want) => {
    expect(json(tensor(values, { ...on, dtype }))).toEqual({
      shape: [values.length],
      dtype,
      values: want,
    });
  });

  test("writes non-finite numbers as names", () => {
    const x = tensor([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], on);
    expect(json(x)).toMatchObject({ values: ["NaN", "Infinity", "-Infinity"] });
  });

  test("refuses more than 1,000 elements without reading them", () => {
    expect(json(zeros([10, 100], on))).toMatchObject({ values: new Array(1000).fill(0) });
    const large = zeros([7, 143], on);
    const before = memory().handles;
    const failure = expect.objectContaining({
      code: "ARGUMENT",
      message: expect.stringMatching(/at most 1,000 elements.*got 1,001 \(\[7, 143\]\).*slice/),
    });
    expect(() => JSON.stringify({ large })).toThrow(failure);
    expect(memory().handles).toBe(before);
  });

  test("throws for a disposed tensor", () => {
    const x = tensor([1], on);
    x.dispose();
    expect(() => JSON.stringify(x)).toThrow(GemlensError);
    expect(() => JSON.stringify(x)).toThrow("disposed");
  });
});
