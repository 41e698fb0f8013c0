import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cat, HookedTransformer, SAE, stack, type Tensor, tensor, where } from "../../lib/index.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Random } from "../support/random.js";

// Coders skip the padding of a padded batch's tensor, whatever operations it has been through. The
// oracle is libtorch: a marker without a run (1 real, 0 padding) goes through the same operations.
const rows = [
  [2, 17, 93],
  [2, 5, 66, 20, 8, 110, 33],
  [2, 11, 11, 4, 9],
];
const hookName = "blocks.2.hook_resid_post";

let model: HookedTransformer;
let sae: SAE;
let width: number;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  const file = fixture("tiny-gemma2/gs1/res/params.npz");
  sae = await SAE.fromFile(file, { device: device as "cpu", hookName });
  width = model.cfg.dModel;
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

/** An activation with its expected mask and token ids, as tensors without a run. */
interface Marked {
  readonly x: Tensor;
  readonly real: Tensor;
  readonly ids: Tensor;
}

async function padded(paddingSide: "left" | "right"): Promise<Marked> {
  const tokens = model.toTokens(rows, { paddingSide });
  using run = await model.runWithCache(tokens, { names: [hookName], logits: false });
  const wide = (values: ArrayLike<number>) =>
    tensor(Float32Array.from(values), { device, shape: [...tokens.shape, 1] })
      .expand([...tokens.shape, width])
      .contiguous();
  return {
    x: run.cache.get(hookName).clone(),
    real: wide(tokens.mask),
    ids: wide(tokens.ids),
  };
}

type Step = (from: Marked, random: Random) => Marked;

/** The same operation on all three. */
const each = (from: Marked, fn: (t: Tensor) => Tensor): Marked => ({
  x: fn(from.x),
  real: fn(from.real),
  ids: fn(from.ids),
});
/** An operation on values only. */
const values = (from: Marked, fn: (x: Tensor) => Tensor): Marked => ({ ...from, x: fn(from.x) });
const leading = ({ x }: Marked) => x.ndim - 1;
const axisOf = (from: Marked, random: Random) => random.below(leading(from));
const sizeOf = (from: Marked, axis: number) => from.x.shape[axis] as number;
const someOf = (size: number, random: Random) =>
  Array.from({ length: 1 + random.below(size) }, () => random.below(size));

const steps: Readonly<Record<string, Step>> = {
  select: (from, random) => {
    if (leading(from) < 2) return from;
    const axis = axisOf(from, random);
    const at = random.below(sizeOf(from, axis));
    return each(from, (t) => t.select(axis, at));
  },
  columnsFirst: (from) => each(from, (t) => t.transpose(0, -1).contiguous().transpose(0, -1)),
  largestOfCopies: (from) => {
    if (leading(from) < 2) return from;
    const axis = leading(from) - 1;
    return each(from, (t) => {
      const shape = t.shape.with(axis, 3);
      return t.slice(axis, 0, 1).expand(shape).max({ dim: axis });
    });
  },
  selectFromEnd: (from, random) => {
    if (leading(from) < 2) return from;
    const axis = axisOf(from, random);
    return each(from, (t) => t.select(axis, -1));
  },
  slice: (from, random) => {
    const axis = axisOf(from, random);
    const size = sizeOf(from, axis);
    const start = random.below(size);
    const step = 1 + random.below(2);
    return each(from, (t) => t.slice(axis - t.ndim, start, size + 3, step));
  },
  sliceFromEnd: (from, random) => {
    const axis = axisOf(from, random);
    const count = 1 + random.below(sizeOf(from, axis));
    return each(from, (t) => t.slice(axis, -count));
  },
  index: (from, random) => {
    const axis = axisOf(from, random);
    const list = someOf(sizeOf(from, axis), random);
    return each(from, (t) => t.index(axis, list));
  },
  indexByTensor: (from, random) => {
    const axis = axisOf(from, random);
    const list = tensor(Int32Array.from(someOf(sizeOf(from, axis), random)), { device });
    return each(from, (t) => t.index(axis, list));
  },
  unsqueeze: (from, random) => {
    const axis = random.below(leading(from) + 1);
    return each(from, (t) => t.unsqueeze(axis));
  },
  squeeze: (from, random) => {
    if (leading(from) < 2) return from;
    const axis = axisOf(from, random);
    return each(from, (t) => t.squeeze(axis));
  },
  expand: (from, random) => {
    const axis = random.below(leading(from) + 1);
    return each(from, (t) => {
      const one = t.unsqueeze(axis);
      return one.expand(one.shape.with(axis, 2));
    });
  },
  expandInFront: (from) => each(from, (t) => t.expand([2, ...t.shape])),
  flatten: (from) => each(from, (t) => t.reshape([-1, width])),
  flattenAll: (from) => each(from, (t) => t.reshape([-1]).reshape(t.shape)),
  split: (from) => each(from, (t) => t.reshape([...t.shape.slice(0, -1), 2, -1]).reshape(t.shape)),
  permute: (from) => {
    const order = Array.from({ length: leading(from) }, (_, i) => i).reverse();
    return each(from, (t) => t.permute([...order, -1]));
  },
  thereAndBack: (from) => each(from, (t) => t.transpose(0, -1).mul(1).transpose(-1, 0)),
  transpose: (from, random) => {
    const [a, b] = [axisOf(from, random), axisOf(from, random)];
    return each(from, (t) => t.transpose(a, b));
  },
  cat: (from, random) => {
    const axis = axisOf(from, random);
    const count = 1 + random.below(sizeOf(from, axis));
    return each(from, (t) => cat([t.slice(axis, 0, count), t], axis));
  },
  stack: (from, random) => {
    const axis = random.below(leading(from) + 1);
    return each(from, (t) => stack([t, t.clone()], axis));
  },
  joinFeatures: (from) => each(from, (t) => cat([t.slice(-1, 0, 5), t.slice(-1, 5)], -1)),
  elementwise: (from) => values(from, (x) => x.neg().mul(-1).add(0).clamp({ max: 1e6 }).div(2)),
  vector: (from) =>
    values(from, (x) => x.add(tensor(new Float32Array(width).fill(0.5), { device }))),
  copies: (from) => values(from, (x) => x.to("float64").to("float32").clone().contiguous()),
  inPlace: (from) => values(from, (x) => x.clone().add_(1).mul_(0.5)),
  matmul: (from) => values(from, (x) => x.matmul(identity())),
  addOther: (from, random) => {
    const axis = axisOf(from, random);
    const order = Array.from({ length: sizeOf(from, axis) }, (_, i) => i).reverse();
    const { real, ids } = from;
    const x = from.x.add(from.x.index(axis, order));
    // Both tokens must be real; the id is unknown if they differ.
    const known = ids.mul(real);
    const same = known.eq(known.index(axis, order)).to("float32").min().item() === 1;
    return {
      x,
      real: real.mul(real.index(axis, order)),
      ids: same ? ids : ids.mul(Number.NaN),
    };
  },
  choose: (from) => values(from, (x) => where(x.gt(0), x, x.mul(2))),
  plainPart: (from) =>
    // A tensor without a run is real and has unknown tokens.
    ({
      x: cat([from.x, tensor(new Float32Array(from.x.size), { device, shape: from.x.shape })], 0),
      real: cat([from.real, from.real.mul(0).add(1)], 0),
      ids: cat([from.ids, from.ids], 0).mul(Number.NaN),
    }),
};

function identity(): Tensor {
  const data = new Float32Array(width * width);
  for (let i = 0; i < width; i++) data[i * width + i] = 1;
  return tensor(data, { device, shape: [width, width] });
}

/** Features [cells, dSae], with none on the cells that are 0 in `kept`. */
async function expected(x: Tensor, kept: readonly number[]): Promise<Float32Array> {
  const copy = tensor(await x.read("float32"), { device, shape: x.shape });
  using acts = await sae.encode(copy);
  const dense = await (await acts.toDense()).read("float32");
  const { dSae } = sae.cfg;
  kept.forEach((keeps, cell) => {
    if (!keeps) dense.fill(0, cell * dSae, (cell + 1) * dSae);
  });
  return dense;
}

/** Cells whose features differ. */
function different(got: Float32Array, want: Float32Array): number[] {
  const cells = new Set<number>();
  want.forEach((value, i) => {
    if (got[i] !== value) cells.add(Math.floor(i / sae.cfg.dSae));
  });
  return got.length === want.length ? [...cells] : [-1];
}

async function encoded(x: Tensor, options: object = {}): Promise<Float32Array> {
  using acts = await sae.encode(x, { unchecked: true, ...options });
  return (await acts.toDense()).read("float32");
}

async function firstOfRows(t: Tensor): Promise<number[]> {
  return [...(await t.select(-1, 0).read("float32"))];
}

async function check({ x, real, ids }: Marked): Promise<void> {
  const isReal = (await firstOfRows(real)).map((value) => value === 1);
  expect(different(await encoded(x), await expected(x, isReal.map(Number)))).toEqual([]);
  const tokens = await firstOfRows(ids);
  if (tokens.some(Number.isNaN)) return;
  const kept = isReal.map((value, cell) =>
    Number(value && tokens[cell] !== 11 && tokens[cell] !== 2),
  );
  const some = await encoded(x, { excludeSpecialTokens: [11, 2] });
  expect(different(some, await expected(x, kept))).toEqual([]);
}

describe.each(["left", "right"] as const)("padded on the %s", (paddingSide) => {
  test.each(Object.keys(steps))("%s keeps the padding and the tokens", async (name) => {
    const random = new Random(name.length);
    const from = await padded(paddingSide);
    await check((steps[name] as Step)(from, random));
  });

  test("chains of operations keep the padding and the tokens", async () => {
    const names = Object.keys(steps);
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed + 1);
      let at = await padded(paddingSide);
      const chain: string[] = [];
      for (let i = 0; i < 5; i++) {
        const name = names[random.below(names.length)] as string;
        if (at.x.size > 20_000) break;
        chain.push(name);
        at = (steps[name] as Step)(at, random);
      }
      try {
        await check(at);
      } catch (error) {
        throw new Error(`seed ${seed}: ${chain.join(" → ")} gives [${at.x.shape}]`, {
          cause: error,
        });
      }
    }
  });
});
