import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  attribute,
  Crosscoder,
  CrossLayerTranscoder,
  clamp,
  type Hook,
  HookedTransformer,
  hook,
  type MultiLayerCoder,
  type MultiLayerFileOptions,
  type RunEditOptions,
  scale,
  steer,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { MultiLayerWeights, writeCircuitTracer, writeGemmaScope2 } from "../support/multi-layer.js";

const width = 48;
const tokens = [2, 50, 60, 70, 80];
const position = 2;

interface Kind {
  readonly model: "tiny-gemma2" | "tiny-gemma3";
  readonly weights: MultiLayerWeights;
  readonly own: boolean; // edits are added at the encoder's own site alone
  readonly load: (options?: MultiLayerFileOptions) => Promise<MultiLayerCoder>;
}

function clt(): Kind {
  const weights = MultiLayerWeights.random("run clt", width, Array(7).fill(6), { skip: true });
  const folder = writeGemmaScope2(weights, "all");
  const load = (options = {}) => CrossLayerTranscoder.fromFile(folder, { device, ...options });
  return { model: "tiny-gemma3", weights, own: false, load };
}

function crosscoder(sites: "own" | "all"): Kind {
  const weights = MultiLayerWeights.random("run crosscoder", width, [6, 6, 6]);
  const folder = writeGemmaScope2(weights, [1, 3, 4]);
  const load = (options = {}) => Crosscoder.fromFile(folder, { device, sites, ...options });
  return { model: "tiny-gemma3", weights, own: sites === "own", load };
}

function circuitTracer(): Kind {
  const relu = [1];
  const weights = MultiLayerWeights.random("run set", width, Array(4).fill(6), { relu });
  const folder = writeCircuitTracer(weights);
  const load = (options = {}) => CrossLayerTranscoder.fromFile(folder, { device, ...options });
  return { model: "tiny-gemma2", weights, own: false, load };
}

const kinds: readonly (readonly [string, number | undefined, () => Kind])[] = [
  ["Gemma Scope 2's cross-layer transcoder with skips", undefined, clt],
  ["the same with its decoders in its files", 0, clt],
  ["a crosscoder", undefined, () => crosscoder("own")],
  ["a crosscoder with its decoders in its files", 0, () => crosscoder("own")],
  ["a crosscoder that is edited at all sites", undefined, () => crosscoder("all")],
  ["circuit-tracer's set", undefined, circuitTracer],
  ["circuit-tracer's set with its decoders in its files", 0, circuitTracer],
];

describe.each(kinds)("%s", (_, maxDecoderBytes, make) => {
  const { model: name, weights, own, load } = make();
  const { dSae, sites } = weights;
  let model: HookedTransformer;
  let wide: HookedTransformer;
  let coder: MultiLayerCoder;
  let reads: string[];
  let writes: string[];
  let f: Float64Array;
  let first: number; // active at `position`, of the first encoder
  let later: number; // the same of a later one

  beforeAll(async () => {
    const open = (dtype: "float32" | "float64") =>
      HookedTransformer.fromPretrained(fixture(name), { device, dtype });
    [model, wide] = await Promise.all([open("float32"), open("float64")]);
    coder = await load({ maxDecoderBytes });
    reads = coder.cfg.reads.map(({ hookName }) => hookName);
    writes = coder.cfg.writes.map(({ hookName }) => hookName);
    using run = await model.runWithCache(tokens, { names: reads as never[], logits: false });
    const xs = await Promise.all(
      reads.map((key) => (run.cache.get(key as never) as Tensor).read("float64")),
    );
    f = weights.encode(xs as Float64Array[]);
    const here = f.subarray(position * dSae, (position + 1) * dSae);
    const active = [...here.keys()].filter((id) => (here[id] as number) > 0);
    first = active.find((id) => weights.locate(id)[0] === 0) as number;
    later = active.find((id) => weights.locate(id)[0] > 0) as number;
    expect([first, later]).not.toContain(undefined);
  });
  afterAll(async () => {
    coder.dispose();
    await model.dispose();
    await wide.dispose();
  });

  const upload = (values: Float64Array, like: Tensor) =>
    tensor(values, { shape: like.shape, device: device as "cpu" }).to(like.dtype);

  /** In JavaScript what a splice or an edit should do: `change` makes f′ of f, in float64. */
  function inHooks(change: (f: Float64Array) => void, bare = false): Hook[] {
    let seen: (Float64Array | undefined)[] = [];
    const readers = reads.map((key, site) =>
      hook(key, async (act: Tensor) => {
        if (site === 0) seen = Array(sites).fill(undefined);
        seen[site] = (await act.read("float64")) as Float64Array;
      }),
    );
    const writers = writes.map((key, site) =>
      hook(key, async (act: Tensor) => {
        // What later layers read is not known yet where this site is written: they do not write here.
        const before = weights.encode(seen);
        const after = before.slice();
        change(after);
        if (bare) return upload(weights.rebuilt(after, site, seen[site] as Float64Array), act);
        const difference = after.map((value, i) => value - (before[i] as number));
        return act.add(upload(weights.written(difference, site, own), act));
      }),
    );
    return [...readers, ...writers];
  }

  const at = (id: number, change: (value: number) => number) => (all: Float64Array) => {
    for (let i = id; i < all.length; i += dSae) all[i] = change(all[i] as number);
  };

  async function expectSame(edits: RunEditOptions, hooks: Hook[]): Promise<void> {
    using got = await model.forward(tokens, edits);
    using want = await model.forward(tokens, { hooks });
    using plain = await model.forward(tokens);
    const values = await want.read("float32");
    expect(relativeError(await got.read("float32"), values)).toBeLessThan(2e-4);
    expect(relativeError(await plain.read("float32"), values)).toBeGreaterThan(1e-3);
  }

  test("encodes in a run", async () => {
    using run = await model.runWithCache(tokens, { names: [], features: [coder], logits: false });
    using all = await run.features(coder).toDense();
    expect(relativeError(await all.read("float64"), f)).toBeLessThan(1e-5);
  });

  test("is spliced with its error term without a change, and bare", async () => {
    using plain = await model.forward(tokens);
    using spliced = await model.forward(tokens, { coders: [coder] });
    expect(await spliced.read()).toEqual(await plain.read());
    const coders = [{ coder, errorTerm: false }];
    await expectSame(
      { coders },
      inHooks(() => {}, true),
    );
    await expectSame(
      { coders, interventions: [ablate(coder.feature(first)), clamp(coder.feature(later), 3)] },
      inHooks((all) => {
        at(first, () => 0)(all);
        at(later, () => 3)(all);
      }, true),
    );
  });

  test("is ablated, clamped, scaled and steered where it writes", async () => {
    await expectSame(
      { interventions: [ablate(coder.feature(first))] },
      inHooks(at(first, () => 0)),
    );
    await expectSame(
      { interventions: [clamp(coder.feature(later), 4)], coders: [coder] },
      inHooks(at(later, () => 4)),
    );
    await expectSame(
      { interventions: [scale(coder.feature(first), 3)] },
      inHooks(at(first, (value) => 3 * value)),
    );
    const [site] = weights.locate(first);
    const added = writes.map((key, write) =>
      hook(key, (act: Tensor) => {
        if (own && write !== site) return act;
        return act.add(tensor(weights.row(first, write), { device: device as "cpu" }).mul(2));
      }),
    );
    await expectSame({ interventions: [steer(coder.feature(first), 2)] }, added);
  });

  test("is edited during generation", async () => {
    const drawn = async (edits: object): Promise<number[]> => {
      const found: number[] = [];
      const options = { temperature: 0, maxNewTokens: 4, ...edits };
      for await (const { token, logprob } of model.generate(tokens, options)) {
        found.push(token, logprob);
      }
      return found;
    };
    const got = await drawn({ interventions: [clamp(coder.feature(first), 6)] });
    const want = await drawn({ hooks: inHooks(at(first, () => 6)) });
    expect(relativeError(got, want)).toBeLessThan(2e-4);
    expect(relativeError(await drawn({}), want)).toBeGreaterThan(1e-3);
  });

  const target = { logit: 40, position: -1 } as const;
  async function logit(options: object): Promise<number> {
    using logits = await wide.forward(tokens, { ...options, positions: [-1] });
    return ((await logits.read("float64")) as Float64Array)[40] as number;
  }

  test("has gradient attributions that are activation times slope", async () => {
    const found = await attribute(wide, tokens, { target, through: [coder] });
    expect(found.length).toBe(f.filter((value) => value > 0).length);
    for (const id of [first, later]) {
      const entry = found.find((other) => other.feature === id && other.position === position);
      const [site] = weights.locate(id);
      const moved = (by: number) =>
        writes.map((key, write) =>
          hook(key, (act: Tensor) => {
            if (own && write !== site) return act;
            const delta = new Float64Array(tokens.length * width);
            delta.set(
              Float64Array.from(weights.row(id, write), (w) => w * by),
              position * width,
            );
            return act.add(upload(delta, act));
          }),
        );
      const step = 1e-4;
      const slope =
        ((await logit({ hooks: moved(step) })) - (await logit({ hooks: moved(-step) }))) /
        (2 * step);
      const activation = f[position * dSae + id] as number;
      expect(entry?.activation).toBeCloseTo(activation, 4);
      expect(entry?.effect).toBeCloseTo(activation * slope, 4);
    }
  });

  test("has ablation attributions that are those of ablate", async () => {
    const found = await attribute(wide, tokens, { target, through: [coder], method: "ablation" });
    for (const id of [first, later]) {
      const entry = found.find((other) => other.feature === id && other.position === position);
      const hooks = inHooks((all) => {
        all[position * dSae + id] = 0;
      });
      expect(entry?.effect).toBeCloseTo(found.value - (await logit({ hooks })), 4);
    }
  });
});
