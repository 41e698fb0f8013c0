import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  clamp,
  type GeneratedToken,
  type Generation,
  HookedTransformer,
  hook,
  memory,
  RecordedToken,
  SAE,
  type Tensor,
  tidy,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const at = "blocks.2.hook_resid_post" as const;
const local = "blocks.0.attn.hook_pattern" as const;
const global = "blocks.1.attn.hook_pattern" as const;
const greedy = { maxNewTokens: 14, temperature: 0, stopAtEos: false };
const prompt = [2, 107, 122, 85, 84];

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  const path = fixture("tiny-gemma2/gs1/res/params.npz");
  sae = await SAE.fromFile(path, { hookName: at, device });
  sae.direction(0).dispose();
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

async function collect<T extends GeneratedToken>(generation: Generation<T>): Promise<T[]> {
  const tokens: T[] = [];
  for await (const token of generation) tokens.push(token);
  return tokens;
}

function close(got: Tensor, want: Tensor): number {
  expect(got.shape).toEqual(want.shape);
  return relativeError(got.readSync("float32"), want.readSync("float32"));
}

describe("recorded steps", () => {
  const record = { names: [at, local, global], features: [sae], logits: true } as const;

  test("are the run over all tokens, cut into steps", async () => {
    const interventions = [clamp(sae.feature(8), 20, { positions: { from: 3 } })];
    // Changes in place: a returned tensor would be garbage afterwards and count in memory().
    const hooks = [hook(at, (act) => void act.mul_(1.5))];
    const options = { ...greedy, interventions, hooks };
    const tokens = await collect(
      model.generate(prompt, { ...options, record: { ...record, features: [sae] } }),
    );
    const all = [...prompt, ...tokens.map(({ token }) => token)].slice(0, -1);
    using run = await model.runWithCache(all, {
      names: [at, local, global],
      features: [sae],
      interventions,
      hooks,
    });
    const { indices, indptr } = await run.features(sae).read();
    for (const token of tokens) {
      const { step } = token;
      const [first, end] =
        step === 0 ? [0, prompt.length] : [prompt.length + step - 1, prompt.length + step];
      tidy(() => {
        expect(close(token.cache.get(at), run.cache.get(at).slice(1, first, end))).toBeLessThan(
          1e-4,
        );
        expect(close(token.logits, run.logits.select(0, 0).select(0, end - 1))).toBeLessThan(1e-4);
        for (const name of [local, global]) {
          const pattern = token.cache.get(name);
          const keys = pattern.shape[3] as number;
          const want = run.cache
            .get(name)
            .slice(2, first, end)
            .slice(3, end - keys, end);
          expect(close(pattern, want), `${name}, step ${step}`).toBeLessThan(1e-4);
          expect(keys).toBe(name === local && step > 0 ? Math.min(8, end) : end);
        }
      });
      const acts = token.features(sae);
      expect(acts.shape).toEqual([1, end - first, 96]);
      expect([...(await acts.read()).indices]).toEqual([
        ...indices.subarray(indptr[first], indptr[end]),
      ]);
      expect((await acts.at({ position: -1 })).length).toBeGreaterThan(0);
      token.dispose();
    }
  });

  test("have only the row's real positions in a padded batch", async () => {
    const rows = [prompt, [2, 74, 6, 13, 22, 44, 100, 73, 15, 3, 9], [2, 31]];
    const options = {
      ...greedy,
      record: { names: [at, local, global], features: [sae], logits: true as const },
    };
    const together = await collect(model.generate(rows, options));
    for (const [row, tokens] of rows.entries()) {
      const mine = together.filter((token) => token.batch === row);
      const alone = await collect(model.generate(tokens, options));
      expect(mine.map(({ token }) => token)).toEqual(alone.map(({ token }) => token));
      for (const [i, token] of mine.entries()) {
        const want = alone[i] as (typeof alone)[number];
        for (const name of [at, global] as const) {
          expect(close(token.cache.get(name), want.cache.get(name)), name).toBeLessThan(1e-4);
        }
        expect(close(token.cache.get(local), want.cache.get(local))).toBeLessThan(1e-4);
        expect(close(token.logits, want.logits)).toBeLessThan(1e-4);
        const [got, expected] = [token.features(sae), want.features(sae)];
        expect(got.shape).toEqual(expected.shape);
        expect([...(await got.read()).indptr]).toEqual([...(await expected.read()).indptr]);
        expect([...(await got.read()).indices]).toEqual([...(await expected.read()).indices]);
      }
      for (const token of [...mine, ...alone]) token.dispose();
    }
  });

  test("have the logits before temperature, penalty and choice", async () => {
    const options = { maxNewTokens: 6, stopAtEos: false, seed: 3 };
    const drawn = await collect(
      model.generate([prompt, [2, 9]], {
        ...options,
        temperature: 3,
        topK: 40,
        topP: 0.9,
        repetitionPenalty: 2,
        record: { logits: true },
      }),
    );
    for (const token of drawn) {
      const logits = token.logits.readSync("float32");
      const top = Math.max(...logits);
      const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0)) + top;
      expect((logits[token.token] as number) - total).toBeCloseTo(token.logprob, 4);
      token.dispose();
    }
    const ids = drawn.filter(({ batch }) => batch === 0).map(({ token }) => token);
    using run = await model.forward([...prompt, ...ids.slice(0, -1)], { positions: [-1] });
    const last = drawn.filter(({ batch }) => batch === 0).at(-1);
    expect(last?.step).toBe(5);
    expect(last?.logits.isDisposed).toBe(true);
    expect(run.shape).toEqual([1, 1, 128]);
  });

  test("have a spliced coder's features as edited", async () => {
    const interventions = [clamp(sae.feature(8), 20), ablate(sae.feature(24))];
    const record = { features: [sae] };
    for (const input of [prompt, [prompt, [2, 9]]]) {
      const generation = model.generate(input, { ...greedy, interventions, coders: [sae], record });
      for await (const token of generation) {
        const active = await token.features(sae).at({ position: -1 });
        expect(active.find(({ feature }) => feature === 8)?.value).toBe(20);
        expect(active.find(({ feature }) => feature === 24)?.value ?? 0).toBe(0);
        token.dispose();
      }
    }
  });
});

describe("recorded tokens", () => {
  const rows = [prompt, [2, 31]];
  const all = { names: [at], features: [], logits: true as const };

  test("own their tensors, which outlive the loop and are freed with them", async () => {
    const record = { ...all, features: [sae] };
    for (const input of [prompt, rows]) {
      const before = (await settledMemory()).handles;
      const tokens = await collect(model.generate(input, { ...greedy, record }));
      const count = Array.isArray(input[0]) ? 2 : 1;
      expect(memory().handles).toBe(before + 3 * 14 * count);
      expect(tokens[0]).toBeInstanceOf(RecordedToken);
      for (const token of tokens) token.cache.get(at).readSync();
      for (const token of tokens) token.dispose();
      expect(memory().handles).toBeLessThanOrEqual(before);
      expect((await failure(() => tokens[0]?.cache.get(at))).code).toBe("DISPOSED");
    }
  });

  test("are freed when the loop is left or fails before it delivers them", async () => {
    const record = { ...all, features: [sae] };
    const before = (await settledMemory()).handles;
    for await (const token of model.generate(rows, { ...greedy, record })) {
      token.dispose();
      if (token.step === 2) break;
    }
    expect(memory().handles).toBeLessThanOrEqual(before);
    const fails = hook(at, (_act, { step }) => {
      if (step === 3) throw new Error("no");
    });
    const error = await failure(async () => {
      for await (const token of model.generate(rows, { ...greedy, record, hooks: [fails] })) {
        token.dispose();
      }
    });
    expect(error.code).toBe("HOOK");
    expect(memory().handles).toBeLessThanOrEqual(before);
    const controller = new AbortController();
    const aborted = await failure(async () => {
      const { signal } = controller;
      for await (const token of model.generate(rows, { ...greedy, record, signal })) {
        token.dispose();
        if (token.step === 1 && token.batch === 1) controller.abort(new Error("enough"));
      }
    });
    expect(aborted.message).toBe("enough");
    expect(memory().handles).toBeLessThanOrEqual(before);
    await failure(async () => {
      for await (const token of model.generate(rows, { ...greedy, record })) {
        token.dispose();
        throw new Error("mine");
      }
    });
    expect(memory().handles).toBeLessThanOrEqual(before);
  });

  test("are freed by text, and by tidy unless kept", async () => {
    const record = { ...all, features: [sae] };
    const before = (await settledMemory()).handles;
    // Without a tokenizer text fails, and still frees them.
    await failure(() => model.generate(rows, { ...greedy, record }).texts());
    expect(memory().handles).toBeLessThanOrEqual(before);
    let kept: { dispose(): void } | undefined;
    await tidy(async () => {
      for await (const token of model.generate(rows, { ...greedy, record })) {
        if (token.step === 4 && token.batch === 1) kept = token.keep();
      }
    });
    expect(memory().handles).toBe(before + 3);
    kept?.dispose();
    expect(memory().handles).toBeLessThanOrEqual(before);
  });

  test("print a summary", async () => {
    const [token] = await collect(
      model.generate(prompt, { ...greedy, maxNewTokens: 1, record: { ...all, features: [sae] } }),
    );
    const { inspect } = await import("node:util");
    const shown = inspect(token);
    expect(shown).toContain("RecordedToken");
    expect(shown).toContain("row 0, step 0");
    expect(shown).toContain(at);
    token?.dispose();
    expect(inspect(token)).toContain("disposed");
  });

  test("name a coder they were not given, and refuse unknown records", async () => {
    const [token] = await collect(
      model.generate(prompt, { ...greedy, maxNewTokens: 1, record: { names: [at] } }),
    );
    expect((await failure(() => token?.features(sae))).code).toBe("NOT_FOUND");
    expect(token?.logits).toBeUndefined();
    token?.dispose();
    const refused: [object, string, string][] = [
      [{ names: ["blocks.9.hook_resid_post"] }, "NOT_FOUND", "blocks.9"],
      [{ names: at }, "ARGUMENT", "names"],
      [{ features: sae }, "ARGUMENT", "an array of coders"],
      [{ features: [7] }, "ARGUMENT", "features[0]"],
      [{ logits: 1 }, "ARGUMENT", "record.logits"],
      [{ hooks: [] }, "ARGUMENT", "record"],
    ];
    for (const [record, code, message] of refused) {
      const error = await failure(() => model.generate(prompt, { record }).texts());
      expect(error.code, message).toBe(code);
      expect(error.message).toContain(message);
    }
  });
});
