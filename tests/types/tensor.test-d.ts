import { assertType, describe, expectTypeOf, test } from "vitest";
import { cat, type Tensor, tensor, tidy, where } from "../../lib/index.js";

type Residual = Tensor<["batch", "pos", "d_model"]>;
type Pattern = Tensor<["batch", "head_index", "query_pos", "key_pos"]>;
declare const residual: Residual;
declare const pattern: Pattern;
declare const plain: Tensor;

describe("axes", () => {
  test("a plain tensor fits named axes and back", () => {
    assertType<Residual>(plain);
    assertType<Tensor>(residual);
    assertType<Tensor>(pattern);
  });

  test("refuse other axes", () => {
    // @ts-expect-error a pattern is no residual stream
    assertType<Residual>(pattern);
    // @ts-expect-error nor the other way round
    assertType<Pattern>(residual);
    // @ts-expect-error fewer axes are different axes
    assertType<Tensor<["batch", "pos"]>>(residual);
    // @ts-expect-error the last axis differs
    assertType<Tensor<["batch", "pos", "d_mlp"]>>(residual);
  });

  test("survive operations that keep the shape", () => {
    const kept = residual.add(1).mul(residual).sub(plain).exp().clamp({ min: 0 }).to("float32");
    expectTypeOf(kept).toEqualTypeOf<Residual>();
    expectTypeOf(residual.mul_(2)).toEqualTypeOf<Residual>();
    expectTypeOf(residual.clone()).toEqualTypeOf<Residual>();
    expectTypeOf(residual.gt(0)).toEqualTypeOf<Residual>();
    expectTypeOf(residual.softmax()).toEqualTypeOf<Residual>();
    // @ts-expect-error the axes survive the operations
    assertType<Pattern>(residual.add(1));
  });

  test("disappear after operations that change the shape", () => {
    expectTypeOf(residual.sum({ dim: -1 })).toEqualTypeOf<Tensor>();
    expectTypeOf(residual.select(0, 1)).toEqualTypeOf<Tensor>();
    expectTypeOf(residual.matmul(plain)).toEqualTypeOf<Tensor>();
    expectTypeOf(cat([residual, plain], -1)).toEqualTypeOf<Tensor>();
  });
});

describe("the operations", () => {
  test("have the arguments of their table", () => {
    expectTypeOf(residual.slice).parameters.toEqualTypeOf<
      [dim: number, start: number, end?: number, step?: number]
    >();
    expectTypeOf(residual.squeeze).parameters.toEqualTypeOf<[dim?: number]>();
    expectTypeOf(residual.topk(3, { dim: -1 })).toEqualTypeOf<{
      values: Tensor;
      indices: Tensor;
    }>();
    expectTypeOf(residual.allClose(plain, { rtol: 1e-3 })).toEqualTypeOf<boolean>();
    expectTypeOf(residual.item()).toEqualTypeOf<number | bigint | boolean>();
    assertType<Tensor>(residual.sum({ dim: [0, 1], keepdim: true }));
    assertType<Tensor>(residual.index(0, [1, 2]));
    assertType<Tensor>(residual.to({ device: "cuda:1" }));
    assertType<Tensor>(where(residual.gt(0), residual, 0));
  });

  test("refuse arguments and names outside the table", () => {
    // @ts-expect-error the option is called dim
    residual.sum({ dims: 1 });
    // @ts-expect-error a shape is a list
    residual.reshape(6);
    // @ts-expect-error start is required
    residual.slice(1);
    // @ts-expect-error no such dtype
    residual.to("float23");
    // @ts-expect-error a number, not a bigint
    residual.add(1n);
    // @ts-expect-error max reduces one dimension
    residual.max({ dim: [0, 1] });
    // @ts-expect-error cat is a function
    residual.cat([plain]);
    // @ts-expect-error no such operation
    residual.einsum("ij");
    // @ts-expect-error the handle is private
    residual.handle;
  });

  test("reading has the dtype's array type", () => {
    expectTypeOf(residual.read("float32")).resolves.toEqualTypeOf<Float32Array>();
    expectTypeOf(residual.readSync("bfloat16")).toEqualTypeOf<Float32Array>();
    expectTypeOf(residual.readSync("int64")).toEqualTypeOf<BigInt64Array>();
    expectTypeOf(residual.readSync()).toEqualTypeOf<
      Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array
    >();
  });
});

test("creation and scopes", () => {
  assertType<Tensor>(tensor([[1, 2], [3]]));
  assertType<Tensor>(tensor(new Float32Array(6), { shape: [2, 3], dtype: "bfloat16" }));
  // @ts-expect-error strings are no numbers
  tensor(["1"]);
  // @ts-expect-error no such option
  tensor([1], { requiresGrad: true });
  expectTypeOf(tidy(() => residual)).toEqualTypeOf<Residual>();
  expectTypeOf(tidy(async () => residual)).toEqualTypeOf<Promise<Residual>>();
});
