import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type CoderEvaluation,
  Crosscoder,
  CrossLayerTranscoder,
  evaluateCoder,
  HookedTransformer,
  hook,
  type MultiLayerCoder,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { MultiLayerWeights, writeGemmaScope2 } from "../support/multi-layer.js";

const width = 48;
// Equal lengths: one row of each batch then holds the same positions.
const corpus = [
  [2, 50, 60, 70, 80],
  [2, 51, 90, 71, 33],
  [2, 17, 60, 44, 81],
];
const pos = 5;

const clt = MultiLayerWeights.random("evaluate clt", width, Array(7).fill(6), { skip: true });
const cross = MultiLayerWeights.random("evaluate crosscoder", width, [6, 6, 6]);

describe.each([
  [
    "a cross-layer transcoder",
    clt,
    () => CrossLayerTranscoder.fromFile(writeGemmaScope2(clt, "all"), { device }),
  ],
  [
    "a crosscoder",
    cross,
    () => Crosscoder.fromFile(writeGemmaScope2(cross, [1, 3, 4]), { device }),
  ],
] as const)("%s", (_, weights, load) => {
  let model: HookedTransformer;
  let coder: MultiLayerCoder;
  let got: CoderEvaluation;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma3"), { device });
    coder = await load();
    got = await evaluateCoder(model, coder, corpus, { excludeSpecialTokens: [2], batchSize: 2 });
  });
  afterAll(async () => {
    coder.dispose();
    await model.dispose();
  });

  /** The activations of a row at these sites, without the BOS: [4, width] each. */
  async function rowAt(row: readonly number[], sites: "reads" | "writes"): Promise<Float64Array[]> {
    const names = coder.cfg[sites].map(({ hookName }) => hookName);
    using run = await model.runWithCache([...row], { names: names as never[], logits: false });
    const all = names.map((name) => (run.cache.get(name as never) as Tensor).read("float64"));
    return (await Promise.all(all)).map((values) => (values as Float64Array).slice(width));
  }

  test("has the statistics of each site and of all in float64", async () => {
    const tokens = (pos - 1) * corpus.length;
    const { sites } = weights;
    const sums = Array.from({ length: sites }, () => new Float64Array(width));
    const [error, square] = [new Float64Array(sites), new Float64Array(sites)];
    const [cosine, ratio] = [new Float64Array(sites + 1), new Float64Array(sites + 1)];
    let active = 0;
    for (const row of corpus) {
      const [xs, ys] = [await rowAt(row, "reads"), await rowAt(row, "writes")];
      const f = weights.encode(xs);
      active += f.filter((value) => value > 0).length;
      const made = ys.map((__, site) => weights.rebuilt(f, site, xs[site] as Float64Array));
      for (let token = 0; token < pos - 1; token++) {
        const all = { dot: 0, own: 0, made: 0 };
        for (const [site, y] of ys.entries()) {
          const here = { dot: 0, own: 0, made: 0 };
          for (let k = 0; k < width; k++) {
            const [a, b] = [
              y[token * width + k] as number,
              made[site]?.[token * width + k] as number,
            ];
            (sums[site] as Float64Array)[k]! += a;
            error[site]! += (a - b) ** 2;
            square[site]! += a ** 2;
            here.dot += a * b;
            here.own += a * a;
            here.made += b * b;
          }
          for (const key of ["dot", "own", "made"] as const) all[key] += here[key];
          cosine[site]! += here.dot / Math.sqrt(here.own * here.made);
          ratio[site]! += Math.sqrt(here.made / here.own);
        }
        cosine[sites]! += all.dot / Math.sqrt(all.own * all.made);
        ratio[sites]! += Math.sqrt(all.made / all.own);
      }
    }
    const varianceOf = (site: number) =>
      (square[site] as number) -
      (sums[site] as Float64Array).reduce((s, v) => s + v * v, 0) / tokens;
    const total = (list: Float64Array) => list.reduce((a, b) => a + b, 0);
    const variances = Float64Array.from({ length: sites }, (__, site) => varianceOf(site));
    expect(got.tokens).toBe(tokens);
    expect(got.l0).toBeCloseTo(active / tokens, 9);
    expect(got.sites.map(({ hookName }) => hookName)).toEqual(
      coder.cfg.writes.map(({ hookName }) => hookName),
    );
    const cases = [
      ...got.sites.map((site, i) => [site, error[i], variances[i], cosine[i], ratio[i]] as const),
      [got, total(error), total(variances), cosine[sites], ratio[sites]] as const,
    ];
    for (const [quality, squares, variance, cosines, ratios] of cases) {
      const fvu = (squares as number) / (variance as number);
      expect(quality.mse / ((squares as number) / tokens)).toBeCloseTo(1, 4);
      expect(quality.fvu / fvu).toBeCloseTo(1, 4);
      expect(quality.explainedVariance).toBeCloseTo(1 - quality.fvu, 9);
      expect(quality.cosine).toBeCloseTo((cosines as number) / tokens, 4);
      expect(quality.l2Ratio / ((ratios as number) / tokens)).toBeCloseTo(1, 4);
    }
  });

  /** Mean next-token loss with the outputs that `replace` makes, but for the BOS. */
  async function lossWith(
    replace: (site: number, seen: readonly Float64Array[], y: Float64Array) => ArrayLike<number>,
  ): Promise<number> {
    let loss = 0;
    for (const row of corpus) {
      const seen: Float64Array[] = [];
      const readers = coder.cfg.reads.map(({ hookName }, site) =>
        hook(hookName as string, async (act: Tensor) => {
          seen[site] = (await act.read("float64")) as Float64Array;
        }),
      );
      const writers = coder.cfg.writes.map(({ hookName }, site) =>
        hook(hookName as string, async (act: Tensor) => {
          const y = (await act.read("float64")) as Float64Array;
          const values = Float64Array.from(replace(site, seen, y));
          values.set(y.subarray(0, width));
          return tensor(values, { shape: act.shape, device: device as "cpu" }).to(act.dtype);
        }),
      );
      using losses = await model.loss(row, { perToken: true, hooks: [...readers, ...writers] });
      // That of the BOS is not counted.
      const values = [...((await losses.read("float64")) as Float64Array)].slice(1);
      loss += values.reduce((a, b) => a + b, 0);
    }
    return loss / (corpus.length * (pos - 2));
  }

  test("has the losses of the model with every site replaced", async () => {
    const spliced = await lossWith((site, seen) => {
      const f = weights.encode(Array.from({ length: weights.sites }, (__, i) => seen[i]));
      return weights.rebuilt(f, site, seen[site] as Float64Array);
    });
    expect(got.loss.spliced).toBeCloseTo(spliced, 4);
    expect(got.loss.zero).toBeCloseTo(
      await lossWith((__, ___, y) => new Float64Array(y.length)),
      4,
    );
    const means = coder.cfg.writes.map(() => new Float64Array(width));
    for (const row of corpus) {
      for (const [site, y] of (await rowAt(row, "writes")).entries()) {
        for (const [i, value] of y.entries()) {
          (means[site] as Float64Array)[i % width]! += value / (corpus.length * (pos - 1));
        }
      }
    }
    const mean = await lossWith((site, __, y) =>
      y.map((___, i) => means[site]?.[i % width] as number),
    );
    expect(got.loss.mean).toBeCloseTo(mean, 4);
    expect(got.loss.original).toBeCloseTo(await lossWith((__, ___, y) => y), 4);
    const { original, zero } = got.loss;
    expect(got.lossRecovered.zero).toBeCloseTo((zero - spliced) / (zero - original), 3);
    expect(got.kl.zero).toBeGreaterThan(0);
  });

  test("measures no losses if none are asked for", async () => {
    const none = await evaluateCoder(model, coder, corpus, {
      excludeSpecialTokens: [2],
      lossTokens: 0,
    });
    expect(none.loss.original).toBeNaN();
    expect(none.fvu).toBeCloseTo(got.fvu, 9);
    expect(JSON.parse(JSON.stringify(none)).sites.length).toBe(weights.sites);
  });
});
