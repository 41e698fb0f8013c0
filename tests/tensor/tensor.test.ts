import { describe, expect, test } from "vitest";
import {
  cat,
  stack,
  Tensor,
  type TensorFunctions,
  type TensorMethods,
  tensor,
  where,
} from "../../lib/index.js";
import { device, expectClose } from "../support/compare.js";
import { Random } from "../support/random.js";

/** float32 values of −2 to 2, the same each time. */
function values(n: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.next() * 4 - 2);
}

// One [2, 3, 4] tensor, a second of its shape, and one that broadcasts; references are in float64.
const A = values(24, 1);
const B = values(24, 2);
const ROW = values(4, 3);
const shape = [2, 3, 4];
const at = (i: number, j: number, k: number) => (i * 3 + j) * 4 + k;
const make = (data: Float32Array, size: readonly number[] = shape) =>
  tensor(data, { shape: size, device });

type Reference = { shape: readonly number[]; data: readonly number[] };
interface Case {
  readonly got: () => Tensor;
  readonly want: Reference;
}

function map(fn: (x: number, i: number) => number, of: Float32Array = A): Reference {
  return { shape, data: Array.from(of, (x, i) => fn(x, i)) };
}

/** Reduces the middle dimension of A. */
function overMiddle(fn: (column: number[]) => number): Reference {
  const data: number[] = [];
  for (let i = 0; i < 2; i++) {
    for (let k = 0; k < 4; k++) data.push(fn([0, 1, 2].map((j) => A[at(i, j, k)] as number)));
  }
  return { shape: [2, 4], data };
}

/** Replaces each row of the last dimension of A. */
function byRow(fn: (row: number[]) => number[]): Reference {
  const data: number[] = [];
  for (let r = 0; r < 6; r++) data.push(...fn(Array.from(A.slice(r * 4, r * 4 + 4))));
  return { shape, data };
}

/** Columns of A as [6, 4], one after the other. */
const columns = [0, 1, 2, 3].flatMap((k) => [0, 1, 2, 3, 4, 5].map((r) => A[r * 4 + k] as number));
const sum = (list: readonly number[]) => list.reduce((total, x) => total + x, 0);
const bool = (x: boolean) => (x ? 1 : 0);
const b = (i: number) => B[i] as number;
const row = (i: number) => ROW[i % 4] as number;
const softmax = (list: number[]) => {
  const total = sum(list.map(Math.exp));
  return list.map((x) => Math.exp(x) / total);
};

/** Changes a copy of A in place, and reports whether the method returned that copy. */
function inPlace(fn: (x: Tensor) => Tensor): () => Tensor {
  return () => {
    const x = make(A);
    expect(fn(x)).toBe(x);
    return x;
  };
}

// The type requires a case for every operation.
const cases: Record<keyof TensorMethods<[]> | keyof TensorFunctions, Case[]> = {
  reshape: [
    { got: () => make(A).reshape([4, -1]), want: { shape: [4, 6], data: [...A] } },
    {
      got: () => make(A).transpose(0, 2).reshape([24]),
      want: {
        shape: [24],
        data: Array.from({ length: 24 }, (_, n) => {
          const [k, j, i] = [Math.floor(n / 6), Math.floor(n / 2) % 3, n % 2];
          return A[at(i, j, k)] as number;
        }),
      },
    },
  ],
  permute: [{ got: () => make(A).permute([2, 0, 1]), want: { shape: [4, 2, 3], data: columns } }],
  transpose: [
    {
      got: () => make(A).transpose(1, -1),
      want: {
        shape: [2, 4, 3],
        data: [0, 1].flatMap((i) =>
          [0, 1, 2, 3].flatMap((k) => [0, 1, 2].map((j) => A[at(i, j, k)] as number)),
        ),
      },
    },
  ],
  slice: [
    {
      got: () => make(A).slice(1, 1),
      want: { shape: [2, 2, 4], data: [...A.slice(4, 12), ...A.slice(16, 24)] },
    },
    {
      got: () => make(A, [24]).slice(0, 1, -2, 5),
      want: { shape: [5], data: [1, 6, 11, 16, 21].map((i) => A[i] as number) },
    },
  ],
  select: [
    { got: () => make(A).select(0, -1), want: { shape: [3, 4], data: [...A.slice(12)] } },
    {
      got: () => make(A, [6, 4]).select(1, 2),
      want: { shape: [6], data: [2, 6, 10, 14, 18, 22].map((i) => A[i] as number) },
    },
  ],
  index: [
    {
      got: () => make(A, [6, 4]).index(0, [5, 0, 5]),
      want: { shape: [3, 4], data: [...A.slice(20), ...A.slice(0, 4), ...A.slice(20)] },
    },
    {
      got: () => make(A, [6, 4]).index(1, tensor([3n], { device })),
      want: { shape: [6, 1], data: [3, 7, 11, 15, 19, 23].map((i) => A[i] as number) },
    },
  ],
  unsqueeze: [{ got: () => make(A).unsqueeze(-1), want: { shape: [2, 3, 4, 1], data: [...A] } }],
  squeeze: [
    { got: () => make(A, [1, 6, 1, 4]).squeeze(), want: { shape: [6, 4], data: [...A] } },
    { got: () => make(A, [1, 6, 1, 4]).squeeze(2), want: { shape: [1, 6, 4], data: [...A] } },
  ],
  expand: [
    {
      got: () => make(ROW, [1, 4]).expand([3, -1]),
      want: { shape: [3, 4], data: [...ROW, ...ROW, ...ROW] },
    },
  ],
  contiguous: [
    {
      got: () => {
        const x = make(A, [6, 4]).transpose(0, 1).contiguous();
        expect(x.isContiguous).toBe(true);
        return x;
      },
      want: { shape: [4, 6], data: columns },
    },
  ],
  cat: [
    {
      got: () => cat([make(A, [6, 4]), make(ROW, [1, 4])]),
      want: { shape: [7, 4], data: [...A, ...ROW] },
    },
    {
      got: () => cat([make(A, [6, 4]), make(B, [6, 4])], 1),
      want: {
        shape: [6, 8],
        data: [0, 1, 2, 3, 4, 5].flatMap((r) => [
          ...A.slice(r * 4, r * 4 + 4),
          ...B.slice(r * 4, r * 4 + 4),
        ]),
      },
    },
  ],
  stack: [
    {
      got: () => stack([make(A), make(B)]),
      want: { shape: [2, 2, 3, 4], data: [...A, ...B] },
    },
    {
      got: () => stack([make(A, [24]), make(B, [24])], -1),
      want: { shape: [24, 2], data: Array.from(A).flatMap((x, i) => [x, b(i)]) },
    },
  ],

  add: [
    { got: () => make(A).add(make(B)), want: map((x, i) => x + b(i)) },
    { got: () => make(A).add(make(ROW, [4])), want: map((x, i) => x + row(i)) },
    { got: () => make(A).add(0.5), want: map((x) => x + 0.5) },
  ],
  sub: [
    { got: () => make(A).sub(make(B)), want: map((x, i) => x - b(i)) },
    { got: () => make(A).sub(3), want: map((x) => x - 3) },
  ],
  mul: [
    { got: () => make(A).mul(make(B)), want: map((x, i) => x * b(i)) },
    { got: () => make(A).mul(-2.5), want: map((x) => x * -2.5) },
  ],
  div: [
    { got: () => make(A).div(make(B)), want: map((x, i) => x / b(i)) },
    { got: () => make(A).div(8), want: map((x) => x / 8) },
  ],
  add_: [
    { got: inPlace((x) => x.add_(make(B))), want: map((x, i) => x + b(i)) },
    { got: inPlace((x) => x.add_(1)), want: map((x) => x + 1) },
  ],
  sub_: [{ got: inPlace((x) => x.sub_(make(ROW, [4]))), want: map((x, i) => x - row(i)) }],
  mul_: [{ got: inPlace((x) => x.mul_(make(B))), want: map((x, i) => x * b(i)) }],
  div_: [{ got: inPlace((x) => x.div_(4)), want: map((x) => x / 4) }],
  neg: [{ got: () => make(A).neg(), want: map((x) => -x) }],
  exp: [{ got: () => make(A).exp(), want: map(Math.exp) }],
  log: [
    { got: () => make(A).abs().log(), want: map((x) => Math.log(Math.abs(x))) },
    {
      got: () => tensor([0, -1], { device }).log(),
      want: { shape: [2], data: [Number.NEGATIVE_INFINITY, Number.NaN] },
    },
  ],
  sqrt: [{ got: () => make(A).abs().sqrt(), want: map((x) => Math.sqrt(Math.abs(x))) }],
  tanh: [{ got: () => make(A).tanh(), want: map(Math.tanh) }],
  abs: [{ got: () => make(A).abs(), want: map(Math.abs) }],
  relu: [{ got: () => make(A).relu(), want: map((x) => Math.max(x, 0)) }],
  sigmoid: [{ got: () => make(A).sigmoid(), want: map((x) => 1 / (1 + Math.exp(-x))) }],
  pow: [
    { got: () => make(A).pow(3), want: map((x) => x ** 3) },
    { got: () => make(A).abs().pow(0.5), want: map((x) => Math.abs(x) ** 0.5) },
  ],
  clamp: [
    {
      got: () => make(A).clamp({ min: -1, max: 0.5 }),
      want: map((x) => Math.min(Math.max(x, -1), 0.5)),
    },
    { got: () => make(A).clamp({ max: 0 }), want: map((x) => Math.min(x, 0)) },
  ],
  matmul: [
    {
      got: () => make(A).matmul(make(B, [2, 4, 3])),
      want: {
        shape: [2, 3, 3],
        data: [0, 1].flatMap((i) =>
          [0, 1, 2].flatMap((j) =>
            [0, 1, 2].map((c) =>
              sum([0, 1, 2, 3].map((k) => (A[at(i, j, k)] as number) * b((i * 4 + k) * 3 + c))),
            ),
          ),
        ),
      },
    },
  ],

  sum: [
    { got: () => make(A).sum(), want: { shape: [], data: [sum([...A])] } },
    { got: () => make(A).sum({ dim: 1 }), want: overMiddle(sum) },
    {
      got: () => make(A).sum({ dim: [0, -1], keepdim: true }),
      want: {
        shape: [1, 3, 1],
        data: [0, 1, 2].map((j) =>
          sum([0, 1].flatMap((i) => [0, 1, 2, 3].map((k) => A[at(i, j, k)] as number))),
        ),
      },
    },
    {
      got: () => make(A).sum({ keepdim: true }),
      want: { shape: [1, 1, 1], data: [sum([...A])] },
    },
  ],
  mean: [
    { got: () => make(A).mean(), want: { shape: [], data: [sum([...A]) / 24] } },
    { got: () => make(A).mean({ dim: 1 }), want: overMiddle((list) => sum(list) / 3) },
  ],
  max: [
    { got: () => make(A).max(), want: { shape: [], data: [Math.max(...A)] } },
    { got: () => make(A).max({ dim: 1 }), want: overMiddle((list) => Math.max(...list)) },
    {
      got: () => make(A).max({ keepdim: true }),
      want: { shape: [1, 1, 1], data: [Math.max(...A)] },
    },
  ],
  min: [
    { got: () => make(A).min(), want: { shape: [], data: [Math.min(...A)] } },
    { got: () => make(A).min({ dim: -2 }), want: overMiddle((list) => Math.min(...list)) },
  ],
  argmax: [
    { got: () => make(A).argmax(), want: { shape: [], data: [A.indexOf(Math.max(...A))] } },
    {
      got: () => make(A).argmax({ dim: 1 }),
      want: overMiddle((list) => list.indexOf(Math.max(...list))),
    },
  ],
  norm: [
    { got: () => make(A).norm(), want: { shape: [], data: [Math.hypot(...A)] } },
    { got: () => make(A).norm({ dim: 1 }), want: overMiddle((list) => Math.hypot(...list)) },
    {
      got: () => make(A).norm({ p: 1, dim: 1 }),
      want: overMiddle((list) => sum(list.map(Math.abs))),
    },
    {
      got: () => make(A).norm({ p: Number.POSITIVE_INFINITY }),
      want: { shape: [], data: [Math.max(...A.map(Math.abs))] },
    },
  ],
  softmax: [
    { got: () => make(A).softmax(), want: byRow(softmax) },
    {
      got: () => make(A).softmax(1).sum({ dim: 1 }),
      want: { shape: [2, 4], data: new Array<number>(8).fill(1) },
    },
  ],
  logSoftmax: [{ got: () => make(A).logSoftmax(), want: byRow((r) => softmax(r).map(Math.log)) }],
  topk: [
    {
      got: () => make(A).topk(2).values,
      want: {
        shape: [2, 3, 2],
        data: byRow((r) => r.sort((x, y) => y - x)).data.filter((_, i) => i % 4 < 2),
      },
    },
    {
      got: () => make(A, [24]).topk(3, { largest: false }).indices,
      want: {
        shape: [3],
        data: [...A.keys()].sort((i, j) => (A[i] as number) - (A[j] as number)).slice(0, 3),
      },
    },
  ],

  gt: [{ got: () => make(A).gt(make(B)), want: map((x, i) => bool(x > b(i))) }],
  lt: [{ got: () => make(A).lt(0), want: map((x) => bool(x < 0)) }],
  ge: [{ got: () => make(A).ge(A[3] as number), want: map((x) => bool(x >= (A[3] as number))) }],
  le: [{ got: () => make(A).le(make(A)), want: map(() => 1) }],
  eq: [{ got: () => make(A).eq(A[7] as number), want: map((x) => bool(x === A[7])) }],
  ne: [{ got: () => make(A).ne(A[7] as number), want: map((x) => bool(x !== A[7])) }],
  where: [
    {
      got: () => where(make(A).gt(0), make(A), make(B)),
      want: map((x, i) => (x > 0 ? x : b(i))),
    },
    { got: () => where(make(A).gt(0), 1, make(B)), want: map((x, i) => (x > 0 ? 1 : b(i))) },
  ],

  to: [
    {
      got: () => make(A).to("int32"),
      want: map(Math.trunc),
    },
    { got: () => make(A).to({ dtype: "float64", device: "cpu" }), want: map((x) => x) },
  ],
  clone: [{ got: () => make(A).transpose(0, 1).clone().transpose(0, 1), want: map((x) => x) }],
  copy_: [{ got: inPlace((x) => x.copy_(make(ROW, [4]))), want: map((_, i) => row(i)) }],
  fill_: [{ got: inPlace((x) => x.fill_(-1.5)), want: map(() => -1.5) }],
  allClose: [
    {
      got: () => {
        const x = make(A);
        return tensor(
          [
            x.allClose(x.add(5e-6), { rtol: 0, atol: 1e-5 }),
            x.allClose(x.add(5e-5), { rtol: 0, atol: 1e-5 }),
            x.allClose(x.mul(1.0001)),
            x.allClose(x.mul(1.0001), { rtol: 1e-3 }),
            tensor([Number.NaN]).allClose(tensor([Number.NaN])),
          ],
          { device },
        );
      },
      want: { shape: [5], data: [1, 0, 0, 1, 0] },
    },
  ],
  item: [
    {
      got: () =>
        tensor(make(A).select(0, 0).select(0, 0).select(0, 2).item() as number, { device }),
      want: { shape: [], data: [A[2] as number] },
    },
  ],
};

describe("every operation matches float64", () => {
  for (const [name, list] of Object.entries(cases)) {
    list.forEach(({ got, want }, i) => {
      test(`${name} ${i + 1}`, async () => {
        // As float64, because int64 and bool results then compare like the others.
        const golden = { shape: [...want.shape], data: Float64Array.from(want.data) };
        await expectClose(name, got().to("float64"), golden, 2e-6);
      });
    });
  }

  test("has a case for every operation", () => {
    const prototype = Object.getOwnPropertyDescriptors(Tensor.prototype);
    const own = new Set(["constructor", "dispose", "keep", "read", "readSync", "toJSON"]);
    for (const name of ["tolist", "toString"]) own.add(name);
    const methods = Object.entries(prototype)
      .filter(([name, { value }]) => typeof value === "function" && !own.has(name))
      .map(([name]) => name);
    expect(methods.length).toBeGreaterThan(40);
    expect([...methods, "cat", "stack", "where"].sort()).toEqual(Object.keys(cases).sort());
  });
});
