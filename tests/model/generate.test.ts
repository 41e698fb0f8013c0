import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type GeneratedToken,
  type Generation,
  HookedTransformer,
  hook,
  memory,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture, goldensOf, ids, rowsOf } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

async function collect(generation: Generation): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of generation) tokens.push(token);
  return tokens;
}

function logSoftmax(logits: Float32Array): number[] {
  const top = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0)) + top;
  return Array.from(logits, (x) => x - total);
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (name) => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
  });
  afterAll(() => model.dispose());

  test("draws transformers' greedy tokens past the window, with their log probabilities", async () => {
    const golden = goldensOf(name, "expected_greedy24");
    const all = [...ids(golden, "tokens")];
    const logits = need(golden, "logits").data as Float32Array;
    const got = await collect(
      model.generate(all.slice(0, 8), { maxNewTokens: 24, temperature: 0, stopAtEos: false }),
    );
    expect(got.map(({ token }) => token)).toEqual(all.slice(8));
    expect(got.map(({ step }) => step)).toEqual([...Array(24).keys()]);
    const want = got.map(
      ({ token }, step) =>
        logSoftmax(logits.subarray(step * 128, (step + 1) * 128))[token] as number,
    );
    expect(
      relativeError(
        got.map(({ logprob }) => logprob),
        want,
      ),
    ).toBeLessThan(1e-4);
    const twelve = [...ids(goldensOf(name, "expected_hf"), "greedy12")];
    const shorter = await collect(
      model.generate(Int32Array.from(twelve.slice(0, 8)), {
        maxNewTokens: 12,
        temperature: 0,
        stopAtEos: false,
      }),
    );
    expect(shorter.map(({ token }) => token)).toEqual(twelve.slice(8));
  });

  test("continues a batch as it continues each row alone", async () => {
    const rows = rowsOf(goldensOf(name, "expected_padded"));
    const options = { maxNewTokens: 12, temperature: 0, stopAtEos: false };
    const together = await collect(model.generate(rows, options));
    for (const [row, tokens] of rows.entries()) {
      const alone = await collect(model.generate(tokens, options));
      const mine = together.filter((token) => token.batch === row);
      expect(mine.map(({ token }) => token)).toEqual(alone.map(({ token }) => token));
      const logprobs = (list: GeneratedToken[]) => list.map(({ logprob }) => logprob);
      expect(relativeError(logprobs(mine), logprobs(alone))).toBeLessThan(1e-4);
    }
    // generate moves right padding of the input to the left.
    const padded = model.toTokens(rows, { paddingSide: "right" });
    const again = await collect(model.generate(padded, options));
    expect(again.map(({ token }) => token)).toEqual(together.map(({ token }) => token));
  });

  test("gives hooks the same values with the cache as for the prompt", async () => {
    const golden = goldensOf(name, "expected_greedy24");
    const all = ids(golden, "tokens");
    const last = model.cfg.nLayers - 1;
    const at = `blocks.${last}.hook_resid_post` as const;
    using run = await model.runWithCache(all, { names: [at] });
    const want = await run.cache.get(at).read("float32");
    const seen: Float32Array[] = [];
    const offsets: [number, number, number][] = [];
    await collect(
      model.generate(all.subarray(0, 8), {
        maxNewTokens: 24,
        temperature: 0,
        stopAtEos: false,
        hooks: [
          hook(at, async (act, { step, positionOffset }) => {
            offsets.push([step, positionOffset, act.shape[1] as number]);
            seen.push(await act.read("float32"));
          }),
        ],
      }),
    );
    expect(offsets[0]).toEqual([0, 0, 8]);
    expect(offsets.slice(1)).toEqual(Array.from({ length: 23 }, (_, i) => [i + 1, 8 + i, 1]));
    const got = seen.flatMap((values) => [...values]);
    expect(relativeError(got, want.subarray(0, got.length))).toBeLessThan(1e-4);
  });
});

describe("sampling", () => {
  let model: HookedTransformer;
  const golden = goldensOf("tiny-gemma2", "expected_greedy24");
  const prompt = ids(golden, "tokens").subarray(0, 8);
  const first = (need(golden, "logits").data as Float32Array).subarray(0, 128);
  const probabilities = (temperature: number) =>
    logSoftmax(first.map((x) => x / temperature)).map(Math.exp);
  const draws = 3000;

  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  });
  afterAll(() => model.dispose());

  async function frequencies(options: object): Promise<number[]> {
    const rows = Array.from({ length: draws }, () => [...prompt]);
    const counts = new Array<number>(128).fill(0);
    for await (const { token } of model.generate(rows, { maxNewTokens: 1, seed: 11, ...options })) {
      counts[token] = (counts[token] as number) + 1;
    }
    return counts.map((count) => count / draws);
  }

  /** Total variation; chance gives about 0.06 for 3,000 draws of 128 tokens. */
  function distance(a: readonly number[], b: readonly number[]): number {
    return a.reduce((sum, p, i) => sum + Math.abs(p - (b[i] as number)), 0) / 2;
  }

  function renormalized(p: readonly number[], kept: ReadonlySet<number>): number[] {
    const inside = p.map((value, i) => (kept.has(i) ? value : 0));
    const total = inside.reduce((sum, value) => sum + value, 0);
    return inside.map((value) => value / total);
  }

  test.each([0.7, 1, 1.5])("draws from the softmax at temperature %f", async (temperature) => {
    expect(distance(await frequencies({ temperature }), probabilities(temperature))).toBeLessThan(
      0.1,
    );
  });

  test("draws among the k most probable tokens", async () => {
    const p = probabilities(1);
    const order = [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number));
    const kept = new Set(order.slice(0, 3));
    const got = await frequencies({ topK: 3 });
    expect(got.every((value, i) => value === 0 || kept.has(i))).toBe(true);
    expect(distance(got, renormalized(p, kept))).toBeLessThan(0.05);
  });

  test("draws among the first tokens whose probabilities add up to p", async () => {
    const p = probabilities(1);
    const order = [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number));
    const kept = new Set<number>();
    let total = 0;
    for (const id of order) {
      kept.add(id);
      total += p[id] as number;
      if (total >= 0.4) break;
    }
    const got = await frequencies({ topP: 0.4 });
    expect(got.every((value, i) => value === 0 || kept.has(i))).toBe(true);
    expect(distance(got, renormalized(p, kept))).toBeLessThan(0.05);
  });

  test("makes tokens that occurred less probable", async () => {
    const penalty = 1.8;
    const seen = new Set(prompt);
    const logits = first.map((x, i) => (seen.has(i) ? (x > 0 ? x / penalty : x * penalty) : x));
    const want = logits.indexOf(Math.max(...logits));
    const [token] = await collect(
      model.generate(prompt, { maxNewTokens: 1, temperature: 0, repetitionPenalty: penalty }),
    );
    expect(token?.token).toBe(want);
    // The reported probability is the model's own.
    expect(token?.logprob).toBeCloseTo(logSoftmax(first)[want] as number, 3);
    const long = await collect(
      model.generate(prompt, {
        maxNewTokens: 30,
        temperature: 0,
        repetitionPenalty: 1e6,
        stopAtEos: false,
      }),
    );
    const generated = long.map(({ token }) => token);
    expect(new Set([...generated, ...seen]).size).toBe(generated.length + seen.size);
  });

  test("gives the same for the same seed, reports a random one, and differs for another", async () => {
    const tokens = async (generation: Generation) =>
      (await collect(generation)).map(({ token }) => token);
    const options = { maxNewTokens: 16, stopAtEos: false };
    const random = model.generate(prompt, options);
    const got = await tokens(random);
    expect(random.seed).toBeTypeOf("number");
    expect(await tokens(model.generate(prompt, { ...options, seed: random.seed }))).toEqual(got);
    const seeds = await Promise.all(
      [1, 2, 3].map((seed) => tokens(model.generate(prompt, { ...options, seed }))),
    );
    expect(new Set(seeds.map(String)).size).toBe(3);
  });
});

describe("a generation", () => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  });
  afterAll(() => model.dispose());

  test("draws twenty tokens by default, or none on request", async () => {
    expect(await collect(model.generate([2, 3], { stopAtEos: false }))).toHaveLength(20);
    expect(await collect(model.generate([2, 3], { maxNewTokens: 0 }))).toHaveLength(0);
  });

  test("ends when the context is full, and refuses a longer prompt", async () => {
    const { nCtx } = model.cfg;
    const almost = new Int32Array(nCtx - 3).fill(5);
    const some = await collect(model.generate(almost, { maxNewTokens: 20, stopAtEos: false }));
    expect(some).toHaveLength(4);
    const full = new Int32Array(nCtx).fill(5);
    expect(await collect(model.generate(full, { stopAtEos: false }))).toHaveLength(1);
    const error = await failure(() => collect(model.generate(new Int32Array(nCtx + 1).fill(5))));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain(`at most ${nCtx}`);
    expect(error.message).toContain(`got ${nCtx + 1}`);
  });

  test("frees its cache when it is left, ends, or fails", async () => {
    const before = (await settledMemory()).handles;
    for await (const { step } of model.generate([2, 3, 4], { stopAtEos: false })) {
      if (step === 3) break;
    }
    expect(memory().handles).toBe(before);
    await collect(model.generate([2, 3, 4]));
    expect(memory().handles).toBe(before);
    const thrown = new Error("no");
    const error = await failure(() =>
      collect(
        model.generate([2, 3, 4], {
          stopAtEos: false,
          hooks: [
            hook("blocks.0.hook_resid_pre", (_act, { step }) => {
              if (step === 2) throw thrown;
            }),
          ],
        }),
      ),
    );
    expect(error.cause).toBe(thrown);
    expect(memory().handles).toBe(before);
  });

  test("stops at an abort with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const error = await failure(async () => {
      for await (const { step } of model.generate([2, 3], {
        signal: controller.signal,
        stopAtEos: false,
      })) {
        if (step === 2) controller.abort(reason);
        expect(step).toBeLessThan(3);
      }
    });
    expect(error).toBe(reason);
  });

  test("can be consumed only once", async () => {
    const generation = model.generate([2, 3]);
    await collect(generation);
    expect((await failure(() => collect(generation))).code).toBe("ARGUMENT");
  });

  test("is steered by hooks at every step", async () => {
    const options = { maxNewTokens: 6, temperature: 0, stopAtEos: false };
    const plain = await collect(model.generate([2, 3, 4], options));
    let calls = 0;
    const steered = await collect(
      model.generate([2, 3, 4], {
        ...options,
        hooks: [
          hook("unembed.hook_out", (act) => {
            calls++;
            const out = act.clone();
            out.select(2, 99).fill_(1000);
            return out;
          }),
        ],
      }),
    );
    expect(calls).toBe(6);
    expect(steered.map(({ token }) => token)).toEqual([99, 99, 99, 99, 99, 99]);
    expect(plain.map(({ token }) => token)).not.toEqual(steered.map(({ token }) => token));
  });

  test("has tokens without a tokenizer, and names the missing tokenizer when asked for text", async () => {
    const generation = model.generate([2, 3], { maxNewTokens: 2, stopAtEos: false });
    const [token] = await collect(generation);
    const missing = await failure(() => token?.text);
    expect(missing.code).toBe("TOKENIZER");
    const error = await failure(() => model.generate([2, 3], { stopAtEos: false }).text());
    expect(error.code).toBe("TOKENIZER");
  });

  test("refuses unknown options and values out of range", async () => {
    const refused: [object, string][] = [
      [{ maxNewTokens: -1 }, "maxNewTokens"],
      [{ maxNewTokens: 1.5 }, "maxNewTokens"],
      [{ temperature: -1 }, "temperature"],
      [{ temperature: Number.NaN }, "temperature"],
      [{ topK: 0 }, "topK"],
      [{ topP: 0 }, "topP"],
      [{ topP: 1.1 }, "topP"],
      [{ repetitionPenalty: 0 }, "repetitionPenalty"],
      [{ seed: -1 }, "seed"],
      [{ seed: 0.5 }, "seed"],
      [{ stop: [""] }, "stop"],
      [{ stop: "the" }, "stop"],
      [{ max_new_tokens: 3 }, "max_new_tokens"],
    ];
    for (const [options, name] of refused) {
      const error = await failure(() => model.generate([2], options).texts());
      expect(error.code, name).toBe("ARGUMENT");
      expect(error.message).toContain(name);
    }
    expect((await failure(() => model.generate([200]).texts())).code).toBe("ARGUMENT");
    expect((await failure(() => model.generate([[2], [3]]).text())).message).toContain("texts()");
  });
});
