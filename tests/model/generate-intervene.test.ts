import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  type CoderSplice,
  clamp,
  type GeneratedToken,
  type Generation,
  HookedTransformer,
  hook,
  type Intervention,
  memory,
  type Positions,
  patch,
  project,
  SAE,
  scale,
  steer,
} from "../../lib/index.js";
import { Cases } from "../support/cases.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const greedy = { maxNewTokens: 20, temperature: 0, stopAtEos: false };

async function collect(generation: Generation): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of generation) tokens.push(token);
  return tokens;
}

/** Maps positions of a generation to a run over the first `length` tokens. */
function inRun(positions: Positions | undefined, prompt: number, length: number): Positions {
  const fromStart = (position: number) => (position < 0 ? position + prompt : position);
  if (positions === undefined) return { from: 0 };
  if (typeof positions === "object" && "from" in positions) {
    const { from, to } = positions;
    return { from: fromStart(from), to: to === undefined ? length : fromStart(to) };
  }
  return [positions]
    .flat()
    .map(fromStart)
    .filter((position) => position < length);
}

/** Greedy tokens, each from a separate run over all earlier tokens. */
async function uncached(
  model: HookedTransformer,
  prompt: readonly number[],
  interventions: readonly Intervention[],
  coders: readonly CoderSplice[] = [],
): Promise<{ tokens: number[]; logprobs: number[] }> {
  const all = [...prompt];
  const logprobs: number[] = [];
  for (let step = 0; step < greedy.maxNewTokens; step++) {
    using logits = await model.forward(all, {
      positions: [-1],
      coders,
      interventions: interventions.map((each) => ({
        ...each,
        positions: inRun(each.positions, prompt.length, all.length),
      })),
    });
    const values = logits.readSync("float32");
    const best = values.indexOf(Math.max(...values));
    const top = values[best] as number;
    logprobs.push(-Math.log(values.reduce((sum, x) => sum + Math.exp(x - top), 0)));
    all.push(best);
  }
  return { tokens: all.slice(prompt.length), logprobs };
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (name) => {
  let model: HookedTransformer;
  const cases = new Cases(name, "interventions");
  const prompt = [2, 107, 122, 85, 85, 84];
  const rows = [prompt, [2, 74, 6], [2, 9, 31, 55, 101, 17, 44, 3, 92, 60, 12]];
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
    await cases.load(model);
  });
  afterAll(async () => {
    cases.dispose();
    await model.dispose();
  });

  function lists(): [string, Intervention[], CoderSplice[]?][] {
    const [res, att, transcoder] = ["res", "att", "transcoder"].map((key) => cases.coder(key));
    if (res === undefined || att === undefined || transcoder === undefined) throw new Error();
    const vector = Float32Array.from({ length: 48 }, (_, i) => 2 * Math.sin(i));
    const early = "blocks.1.hook_resid_post";
    return [
      ["steer everywhere", [steer(res.feature(3), 25)]],
      ["steer from the prompt's end", [steer(res.feature(3), 30, { positions: { from: -1 } })]],
      ["steer from a generated token", [steer(res.feature(3), 30, { positions: { from: 9 } })]],
      ["steer only the prompt", [steer(res.feature(3), 30, { positions: { from: 0, to: -1 } })]],
      [
        "steer a range across the prompt's end",
        [steer(res.feature(3), 30, { positions: { from: 4, to: 11 } })],
      ],
      ["clamp listed positions", [clamp(res.feature(8), 30, { positions: [0, -1, 7, 12] })]],
      ["clamp one position", [clamp(res.feature(8), 60, { positions: -2 })]],
      [
        "edit features of several coders",
        [
          ablate(att.feature(2), { to: 3 }),
          clamp(transcoder.feature(7), 12, { positions: { from: 2 } }),
          scale(res.feature(1), 5),
        ],
      ],
      [
        "directions",
        [
          steer({ hook: early, vector }, 1, { cap: 4 }),
          project("blocks.2.hook_mlp_out", vector, { positions: { from: 5 } }),
        ],
      ],
      [
        "a splice without error term",
        [clamp(res.feature(8), 20)],
        [{ coder: res, errorTerm: false }],
      ],
      [
        "a splice without error term, except special tokens",
        [clamp(res.feature(8), 20, { positions: { from: 1 } })],
        [{ coder: res, errorTerm: false, excludeSpecialTokens: true }],
      ],
    ];
  }

  test("generates with its cache the same as runs without one", async () => {
    const plain = await uncached(model, prompt, []);
    for (const [what, interventions, coders = []] of lists()) {
      const want = await uncached(model, prompt, interventions, coders);
      const got = await collect(model.generate(prompt, { ...greedy, interventions, coders }));
      expect(
        got.map(({ token }) => token),
        what,
      ).toEqual(want.tokens);
      const logprobs = got.map(({ logprob }) => logprob);
      expect(relativeError(logprobs, want.logprobs), what).toBeLessThan(1e-4);
      expect(relativeError(plain.logprobs, want.logprobs), what).toBeGreaterThan(1e-3);
    }
  });

  test("generates for a batch the same as for each row", async () => {
    for (const [what, interventions, coders = []] of lists()) {
      const together = await collect(model.generate(rows, { ...greedy, interventions, coders }));
      for (const [row, tokens] of rows.entries()) {
        const alone = await collect(model.generate(tokens, { ...greedy, interventions, coders }));
        const mine = together.filter((token) => token.batch === row);
        expect(
          mine.map(({ token }) => token),
          `${what}, row ${row}`,
        ).toEqual(alone.map(({ token }) => token));
      }
    }
  });

  test("sweeps strengths by rows", async () => {
    const res = cases.coder("res");
    const strengths = [-40, 0, 40];
    const together = await collect(
      model.generate(
        strengths.map(() => prompt),
        {
          ...greedy,
          interventions: strengths.map((strength, batch) =>
            steer(res.feature(3), strength, { batch, positions: { from: 2 } }),
          ),
        },
      ),
    );
    for (const [batch, strength] of strengths.entries()) {
      const edit = steer(res.feature(3), strength, { positions: { from: 2 } });
      const alone = await collect(model.generate(prompt, { ...greedy, interventions: [edit] }));
      const mine = together.filter((token) => token.batch === batch);
      expect(mine.map(({ token }) => token)).toEqual(alone.map(({ token }) => token));
    }
  });

  test("patches the prompt, also its attention", async () => {
    const other = prompt.map((id, i) => (i === 0 ? id : (id * 5) % 120));
    const names = ["blocks.1.hook_resid_post", "blocks.1.attn.hook_pattern"] as const;
    using run = await model.runWithCache(other, { names, logits: false });
    const to = { positions: { from: 0, to: prompt.length } };
    const patches = [
      patch(names[0], run.cache, { positions: [2, -1] }),
      patch(names[1], run.cache, to),
    ];
    const want = await uncachedPatched(patches[0] as Intervention);
    const got = await collect(
      model.generate(prompt, { ...greedy, interventions: patches.slice(0, 1) }),
    );
    expect(got.map(({ token }) => token)).toEqual(want.tokens);
    const both = await collect(model.generate(prompt, { ...greedy, interventions: patches }));
    expect(both).toHaveLength(20);
    expect(both[0]?.logprob).not.toBeCloseTo(got[0]?.logprob as number, 4);
    for (const { source } of patches) source.dispose();

    function uncachedPatched(edit: Intervention) {
      return uncached(model, prompt, [edit]);
    }
  });

  test("gives the same with JavaScript hooks as with interventions", async () => {
    const res = cases.coder("res") as SAE;
    const edits = [clamp(res.feature(8), 25), steer(res.feature(3), 10)];
    const native = await collect(model.generate(prompt, { ...greedy, interventions: edits }));
    const at = res.cfg.hookName;
    const hooked = await collect(
      model.generate(prompt, {
        ...greedy,
        hooks: [
          hook(at, (act) => res.edit(act, (acts) => void acts.set(8, 25))),
          hook(at, (act) => act.add(res.direction(3).mul(10))),
        ],
      }),
    );
    expect(hooked.map(({ token }) => token)).toEqual(native.map(({ token }) => token));
  });
});

describe("a generation with interventions", () => {
  const at = "blocks.2.hook_resid_post" as const;
  const prompt = [2, 107, 122, 85];
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

  test("frees everything when it is left, ends, fails, is aborted or never begins", async () => {
    const vector = Float32Array.from({ length: 48 }, (_, i) => Math.cos(i));
    const interventions = [
      steer(sae.feature(1), 3),
      project(at, vector),
      ablate(sae.feature(2), { positions: { from: 6 } }),
    ];
    const options = { interventions, coders: [sae], stopAtEos: false };
    const before = (await settledMemory()).handles;
    model.generate(prompt, options);
    for await (const { step } of model.generate(prompt, options)) if (step === 3) break;
    expect(memory().handles).toBe(before);
    await collect(model.generate(prompt, options));
    expect(memory().handles).toBe(before);
    const fails = hook(at, (_act, { step }) => {
      if (step === 2) throw new Error("no");
    });
    const error = await failure(() =>
      collect(model.generate(prompt, { ...options, hooks: [fails] })),
    );
    expect(error.code).toBe("HOOK");
    expect(memory().handles).toBe(before);
    const controller = new AbortController();
    const aborted = await failure(async () => {
      const { signal } = controller;
      for await (const { step } of model.generate(prompt, { ...options, signal })) {
        if (step === 2) controller.abort(new Error("enough"));
      }
    });
    expect(aborted.message).toBe("enough");
    expect(memory().handles).toBe(before);
  });

  test("lets other calls run between its steps", async () => {
    const order: string[] = [];
    let forwards: Promise<unknown> | undefined;
    const interventions = [steer(sae.feature(1), 3)];
    for await (const { step } of model.generate(prompt, { interventions, stopAtEos: false })) {
      order.push(`step ${step}`);
      forwards ??= model.forward(prompt, { interventions }).then((out) => {
        order.push("forward");
        out.dispose();
      });
    }
    await forwards;
    expect(order.indexOf("forward")).toBeGreaterThan(0);
    expect(order.indexOf("forward")).toBeLessThan(5);
  });

  test("refuses invalid arguments immediately, in the loop that consumes it", async () => {
    const refused: [object, string, string][] = [
      [{ interventions: 7 }, "ARGUMENT", "an array of interventions"],
      [{ interventions: [clamp(sae.feature(1), 1, { batch: 1 })] }, "ARGUMENT", "rows in [0, 1)"],
      [
        { interventions: [clamp(sae.feature(1), 1, { positions: [-5] })] },
        "ARGUMENT",
        "positions in [-4, …)",
      ],
      [{ coders: [sae, sae] }, "ARGUMENT", "each coder once"],
      [{ intervention: [] }, "ARGUMENT", "intervention"],
    ];
    for (const [options, code, message] of refused) {
      const error = await failure(() => model.generate(prompt, options).texts());
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
    }
    using run = await model.runWithCache(prompt, { names: [at], logits: false });
    const all = patch(at, run.cache, { positions: { from: 0 } });
    const short = await failure(() => collect(model.generate(prompt, { interventions: [all] })));
    expect(short.code).toBe("ARGUMENT");
    expect(short.message).toContain("4 and 19 generated");
    all.source.dispose();
    const own = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: at,
      device,
    });
    const generation = model.generate(prompt, { interventions: [ablate(own.feature(1))] });
    own.dispose();
    expect((await failure(() => collect(generation))).code).toBe("DISPOSED");
  });

  test("draws from only seed, row and step", async () => {
    const options = { interventions: [steer(sae.feature(1), 3)], seed: 7, stopAtEos: false };
    const first = async (input: number[] | number[][]) =>
      (await collect(model.generate(input, options)))
        .filter(({ batch }) => batch === 0)
        .map(({ token }) => token);
    expect(await first(prompt)).toEqual(await first(prompt));
    expect(await first([prompt, [2, 5]])).toEqual(await first(prompt));
  });
});
