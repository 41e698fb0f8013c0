import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  clamp,
  HookedTransformer,
  type Intervention,
  project,
  readout,
  SAE,
  scale,
  steer,
  type Tensor,
} from "../../lib/index.js";
import { bundled, heldOut } from "../support/bundled.js";
import { device } from "../support/compare.js";
import { Random } from "../support/random.js";

// Tests whether features of the bundled model have their expected effects. A seed draws 20 features
// of each layer's residual SAE from all features that fire in held-out text. A feature's own tokens
// are the five with the largest logits of its decoder row (logit lens). The tests print the passing
// shares layer by layer.
const seed = 4;
const perLayer = 20;
const ownTokens = 5;
const leastFirings = 5;
const required = 0.8;
/** In units of the feature's largest activation. */
const strengths = [0, 0.25, 0.5, 1, 2];
const randomDirections = 8;
const prompts = { count: 6, length: 12 };
const ablatedCells = 6;

interface Drawn {
  readonly sae: SAE;
  readonly layer: number;
  readonly feature: number;
  readonly own: readonly number[];
  readonly largest: number;
  /** The tokens up to the position of the largest activation. */
  readonly contexts: readonly number[][];
  readonly values: readonly number[];
}

let model: HookedTransformer;
let drawn: Drawn[];
let starts: number[][];
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
  drawn = [];
  for (const layer of [0, 1, 2, 3]) drawn.push(...(await drawFeatures(layer)));
  const random = new Random(seed);
  const texts = heldOut(100, 200).map((text) => [...model.toTokens(text).ids]);
  starts = random
    .draw(
      texts.filter(({ length }) => length > prompts.length),
      prompts.count,
    )
    .map((ids) => ids.slice(0, prompts.length));
});
afterAll(async () => {
  for (const sae of new Set(drawn?.map(({ sae }) => sae))) sae.dispose();
  await model?.dispose();
});

async function drawFeatures(layer: number): Promise<Drawn[]> {
  const sae = await SAE.fromFile(bundled(layer), { device });
  const tokens = model.toTokens(heldOut(0, 100));
  using run = await model.runWithCache(tokens, { names: [], features: [sae], logits: false });
  const { indptr, indices, values } = await run.features(sae).read();
  const fired = new Map<number, { cell: number; value: number }[]>();
  for (const [cell, real] of tokens.mask.entries()) {
    if (real === 0 || cell % tokens.shape[1] === 0) continue; // padding, begin of text
    for (let i = indptr[cell] as number; i < (indptr[cell + 1] as number); i++) {
      const feature = indices[i] as number;
      const firings = fired.get(feature) ?? [];
      firings.push({ cell, value: values[i] as number });
      fired.set(feature, firings);
    }
  }
  const alive = [...fired].filter(([, firings]) => firings.length >= leastFirings);
  alive.sort(([a], [b]) => a - b);
  const chosen: Drawn[] = [];
  for (const [feature, firings] of new Random(100 * seed + layer).draw(alive, perLayer)) {
    const { top } = await readout(model, sae.feature(feature), { topK: ownTokens });
    const strongest = firings.sort((a, b) => b.value - a.value).slice(0, ablatedCells);
    chosen.push({
      sae,
      layer,
      feature,
      own: top.map(({ token }) => token),
      largest: strongest[0]?.value as number,
      contexts: strongest.map(({ cell }) => {
        return [...tokens.ids.subarray(cell - (cell % tokens.shape[1]), cell + 1)];
      }),
      values: strongest.map(({ value }) => value),
    });
  }
  return chosen;
}

/** Row by row, the sum over a feature's own tokens. */
async function sums(rows: Tensor, own: readonly number[]): Promise<number[]> {
  const values = await rows.read("float32");
  const width = rows.shape.at(-1) as number;
  return Array.from({ length: values.length / width }, (_, row) =>
    own.reduce((sum, token) => sum + (values[row * width + token] as number), 0),
  );
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Prints and returns the share of features that pass. */
function share(what: string, passed: readonly boolean[]): number {
  const of = (layer: number | undefined) => {
    const own = passed.filter((_, i) => layer === undefined || drawn[i]?.layer === layer);
    return `${own.filter(Boolean).length}/${own.length}`;
  };
  console.log(`${what}: ${of(undefined)} (by layer ${[0, 1, 2, 3].map(of).join(", ")})`);
  return passed.filter(Boolean).length / passed.length;
}

describe("steering", () => {
  /** The probability of each feature's own tokens at each strength, then for random directions. */
  const steered: number[][] = [];

  beforeAll(async () => {
    const random = new Random(10 * seed);
    for (const { sae, feature, own, largest } of drawn) {
      const direction = sae.direction(feature);
      const others = Array.from({ length: randomDirections }, () =>
        randomDirection(sae.cfg.dOut, direction.norm().item() as number, random),
      );
      const all = [
        ...strengths.map((times) => ({ target: sae.feature(feature), times })),
        ...others.map((vector) => ({
          target: { hook: sae.cfg.hookNameOut, vector },
          times: strengths.at(-1) as number,
        })),
      ];
      // One batch holds every strength and direction on every prompt.
      const interventions = all.map(({ target, times }, i) =>
        steer(target, times * largest, {
          positions: { from: 1 },
          batch: starts.map((_, prompt) => i * starts.length + prompt),
        }),
      );
      const rows = all.flatMap(() => starts);
      using logits = await model.forward(rows, { interventions, positions: [-1] });
      using probabilities = logits.softmax(-1);
      const p = await sums(probabilities, own);
      steered.push(all.map((_, i) => mean(p.slice(i * starts.length, (i + 1) * starts.length))));
    }
  });

  test("raises the probability of a feature's own tokens with every step of strength", () => {
    const rises = steered.map((p) => {
      return strengths.every((_, i) => i === 0 || (p[i] as number) > (p[i - 1] as number));
    });
    expect(share("steering raises its tokens monotonically", rises)).toBeGreaterThanOrEqual(
      required,
    );
  });

  test("raises it more than random directions of the same norm do", () => {
    const last = strengths.length - 1;
    const others = steered.map((p) => p.slice(strengths.length));
    const passed = (of: (values: number[]) => number) =>
      steered.map((p, i) => (p[last] as number) > of(others[i] as number[]));
    share(
      `it does more than each of ${randomDirections} random directions`,
      passed((p) => Math.max(...p)),
    );
    const average = share("it raises them more than random directions on average", passed(mean));
    expect(average).toBeGreaterThanOrEqual(required);
  });
});

describe("ablating a feature where it fires", () => {
  test("lowers its own tokens, more than subtracting as much of a random direction", async () => {
    const random = new Random(20 * seed);
    const logitFell: boolean[] = [];
    const probabilityFell: boolean[] = [];
    const fellMore: boolean[] = [];
    for (const { sae, feature, own, contexts, values } of drawn) {
      const norm = sae.direction(feature).norm().item() as number;
      const vector = randomDirection(sae.cfg.dOut, norm, random);
      const n = contexts.length;
      // The runs: unchanged, without the feature, and minus a random direction of the same length.
      const interventions: Intervention[] = [
        ablate(sae.feature(feature), { positions: -1, batch: contexts.map((_, i) => n + i) }),
        ...values.map((value, i) =>
          steer({ hook: sae.cfg.hookNameOut, vector }, -value, { positions: -1, batch: 2 * n + i }),
        ),
      ];
      const rows = [...contexts, ...contexts, ...contexts];
      using logits = await model.forward(rows, { interventions, positions: [-1] });
      using probabilities = logits.softmax(-1);
      const thirds = (all: number[]) => [0, 1, 2].map((i) => mean(all.slice(i * n, (i + 1) * n)));
      const [plain = 0, without = 0, less = 0] = thirds(await sums(logits, own));
      const [p = 0, pWithout = 0] = thirds(await sums(probabilities, own));
      logitFell.push(without < plain);
      probabilityFell.push(pWithout < p);
      fellMore.push(plain - without > plain - less);
    }
    const shares = [
      share("ablation lowers the logits of its tokens", logitFell),
      share("ablation lowers their probability", probabilityFell),
      share("ablation lowers their logits more than subtracting a random direction", fellMore),
    ];
    for (const one of shares) expect(one).toBeGreaterThanOrEqual(required);
  });
});

describe("generation with interventions", () => {
  const maxNewTokens = 16;

  /** Greedy tokens without a cache: each token reruns the whole text. */
  async function uncached(
    prompt: readonly number[],
    interventionsUpTo: (length: number) => readonly Intervention[],
  ) {
    const ids = [...prompt];
    const logprobs: number[] = [];
    while (ids.length < prompt.length + maxNewTokens) {
      const interventions = interventionsUpTo(ids.length);
      using logits = await model.forward(ids, { interventions, positions: [-1] });
      using all = logits.logSoftmax(-1);
      const best = Number(logits.argmax().item());
      logprobs.push((await all.read("float32"))[best] as number);
      ids.push(best);
    }
    return { tokens: ids.slice(prompt.length), logprobs };
  }

  test("equals a loop without a cache, token by token, for features drawn by seed", async () => {
    const random = new Random(30 * seed);
    let changed = 0;
    for (const prompt of starts) {
      const [a, b, c, d] = random.draw(drawn, 4) as [Drawn, Drawn, Drawn, Drawn];
      const active = await strongestIn(prompt, a.sae);
      const from = random.below(prompt.length);
      // The edits lie in the prompt, across its end, and only in the generated tokens. A single run
      // has no position after its last one, but a list for a generation may name such positions.
      const list = [2, prompt.length + 3, prompt.length + 4];
      const upTo = (length: number) => [
        ablate(a.sae.feature(active), { positions: { from: 1 } }),
        clamp(b.sae.feature(b.feature), 0.5 * b.largest, { positions: { from } }),
        scale(c.sae.feature(c.feature), 2),
        steer(d.sae.feature(d.feature), 0.5 * d.largest, { positions: { from: prompt.length } }),
        steer(b.sae.feature(b.feature), d.largest, {
          positions: list.filter((position) => position < length),
          cap: 9,
        }),
        project("blocks.1.hook_mlp_out", c.sae.direction(c.feature)),
      ];
      const want = await uncached(prompt, upTo);
      const interventions = upTo(Number.POSITIVE_INFINITY);
      const options = { temperature: 0, maxNewTokens, stopAtEos: false };
      const tokens: number[] = [];
      for await (const token of model.generate(prompt, { ...options, interventions })) {
        tokens.push(token.token);
        expect(token.logprob).toBeCloseTo(want.logprobs[token.step] as number, 3);
      }
      expect(tokens).toEqual(want.tokens);
      const plain: number[] = [];
      for await (const { token } of model.generate(prompt, options)) plain.push(token);
      if (plain.join() !== tokens.join()) changed++;
    }
    // Interventions without an effect would make this test empty.
    expect(changed).toBeGreaterThan(starts.length / 2);
  });

  async function strongestIn(prompt: readonly number[], sae: SAE): Promise<number> {
    using run = await model.runWithCache(prompt, { names: [], features: [sae], logits: false });
    const found = await run.features(sae).topK(100);
    return found.find(({ position }) => position > 0)?.feature as number;
  }
});

/** A normal vector scaled to length `norm`. */
function randomDirection(size: number, norm: number, random: Random): number[] {
  const vector = new Random(random.bits()).normals(size);
  const length = Math.hypot(...vector);
  return Array.from(vector, (value) => (value / length) * norm);
}
