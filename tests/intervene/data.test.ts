import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  ablate,
  clamp,
  freeze,
  HookedTransformer,
  type Intervention,
  memory,
  patch,
  project,
  SAE,
  scale,
  steer,
  type Tensor,
  tensor,
  tidy,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const at = "blocks.2.hook_resid_post" as const;
const prompt = [2, 107, 122, 85, 84, 55];
const cpu = device as "cpu";

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName: at, device });
  // The coder makes its own views at first use.
  sae.direction(0).dispose();
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

let start: number;
beforeEach(async () => {
  start = (await settledMemory()).handles;
});
afterEach(() => expect(memory().handles).toBe(start));

const direction = () => Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));

async function logits(interventions: Intervention[], input: number[] | number[][] = prompt) {
  using out = await model.forward(input, { interventions });
  return out.readSync("float32");
}

describe("an intervention", () => {
  test("is plain data", () => {
    const f = sae.feature(7);
    expect(ablate(f)).toEqual({ type: "ablate", target: f, to: 0 });
    expect(ablate(f, { to: 2, positions: -1, batch: [0, 3] })).toEqual({
      type: "ablate",
      target: f,
      to: 2,
      positions: -1,
      batch: [0, 3],
    });
    expect(clamp(f, 3, { positions: [1, 2] })).toEqual({
      type: "clamp",
      target: f,
      value: 3,
      positions: [1, 2],
    });
    expect(scale(f, -1, { positions: { from: 2 } })).toEqual({
      type: "scale",
      target: f,
      factor: -1,
      positions: { from: 2 },
    });
    expect(steer(f, 4, { cap: 2, positions: { from: -2, to: 5 } })).toEqual({
      type: "steer",
      target: f,
      coefficient: 4,
      cap: 2,
      positions: { from: -2, to: 5 },
    });
    expect(steer({ hook: "blocks.2.hook_out", vector: [1, 2] }, 1)).toEqual({
      type: "steer",
      target: { hook: at, vector: Float32Array.of(1, 2) },
      coefficient: 1,
    });
    expect(project("blocks.2.hook_out", [0, 1], { batch: 1 })).toEqual({
      type: "project",
      hook: at,
      vector: Float32Array.of(0, 1),
      batch: 1,
    });
    expect(Object.isFrozen(ablate(f))).toBe(true);
  });

  test("works in any number of runs, and can be spread into others", async () => {
    const one = clamp(sae.feature(3), 5);
    const first = await logits([one]);
    expect(await logits([one])).toEqual(first);
    expect(await logits([{ ...one, value: 9 }])).toEqual(await logits([clamp(sae.feature(3), 9)]));
    const written: Intervention = { type: "clamp", target: sae.feature(3), value: 5 };
    expect(await logits([written])).toEqual(first);
  });

  test("copies its numbers", async () => {
    const vector = direction();
    const positions = [1, 2];
    using made = tensor(vector, { device: cpu });
    const kept = [
      steer({ hook: at, vector }, 2, { positions }),
      steer({ hook: at, vector: made }, 2, { positions }),
      project(at, vector),
    ];
    const before = await Promise.all(kept.map((each) => logits([each])));
    vector.fill(7);
    made.fill_(7);
    made.dispose();
    positions.push(3);
    expect(await Promise.all(kept.map((each) => logits([each])))).toEqual(before);
  });

  test("keeps the source of a patch until it is disposed, beyond tidy and the cache", async () => {
    const other = [2, 5, 9, 33, 20, 11];
    const patched = await tidy(async () => {
      using run = await model.runWithCache(other, { names: [at], logits: false });
      return [patch(at, run.cache), patch(at, run.cache.get(at).clone())];
    });
    const [one, two] = patched as [Intervention & { source: Tensor }, never];
    expect(memory().handles).toBe(start + 2);
    const want = await logits([two]);
    expect(await logits([one])).toEqual(want);
    expect(want).not.toEqual(await logits([]));
    for (const { source } of [one, two] as { source: Tensor }[]) source.dispose();
    expect((await failure(() => logits([one]))).code).toBe("DISPOSED");
  });

  test("keeps the values of a borrowed activation", async () => {
    let inside: (Intervention & { type: "patch" }) | undefined;
    using plain = await model.runWithCache(prompt, { names: [at], logits: false });
    using _out = await model.forward(prompt, {
      hooks: [
        [
          at,
          (act) => {
            inside = patch(at, act) as Intervention & { type: "patch" };
          },
        ],
        [at, (act) => void act.fill_(0)],
      ],
    });
    const kept = inside?.source as Tensor;
    expect(kept.readSync("float32")).toEqual(plain.cache.get(at).readSync("float32"));
    kept.dispose();
  });

  test("keeps the interventions of a freeze separate", async () => {
    using run = await model.runWithCache(prompt, {
      names: [at, "blocks.0.ln1.hook_scale", "blocks.3.attn.hook_pattern"],
      logits: false,
    });
    const all = freeze(() => true, run.cache);
    const named = freeze(["blocks.0.ln1.hook_scale", "blocks.3.attn.hook_pattern"], run.cache);
    expect(all.map(({ hook }) => hook)).toEqual(run.cache.names);
    expect(named.map(({ hook }) => hook)).toEqual(run.cache.names.slice(1));
    // Freezing the same prompt to itself changes nothing.
    const error = relativeError(await logits(all), await logits([]));
    expect(error).toBeLessThan(1e-6);
    for (const { source } of [...all, ...named]) source.dispose();
  });
});

describe("a splice", () => {
  test("leaves tokens with the given ids unchanged", async () => {
    const coders = [{ coder: sae, errorTerm: false, excludeSpecialTokens: [122, 55] }];
    const run = (options: object) => model.runWithCache(prompt, { names: [at], ...options });
    using spared = await run({ coders });
    using bare = await run({ coders: [{ coder: sae, errorTerm: false }] });
    using plain = await run({});
    const row = ({ cache }: typeof plain, i: number) =>
      tidy(() => cache.get(at).select(1, i).tolist());
    for (const i of prompt.keys()) {
      const excluded = [122, 55].includes(prompt[i] as number);
      expect(row(spared, i), `${i}`).toEqual(row(excluded ? plain : bare, i));
    }
  });
});

describe("the positions of an intervention", () => {
  /** The cells of [batch, pos] that a steering changed. */
  async function moved(
    options: object,
    input: number[][] = [prompt, prompt.slice(0, 4)],
    padding: "left" | "right" = "right",
  ): Promise<string[]> {
    const vector = direction();
    const run = (interventions: Intervention[]) =>
      model.runWithCache(input, {
        names: [at],
        logits: false,
        interventions,
        paddingSide: padding,
      });
    using with_ = await run([steer({ hook: at, vector }, 3, options)]);
    using without = await run([]);
    const moved = tidy(() =>
      with_.cache.get(at).sub(without.cache.get(at)).abs().max({ dim: -1 }).tolist(),
    );
    return (moved as number[][]).map((row, r) =>
      row
        .filter((_, pos) => {
          const length = (input[r] as number[]).length;
          return padding === "right" ? pos < length : pos >= row.length - length;
        })
        .map((value) => (value > 0.1 ? "x" : "."))
        .join(""),
    );
  }

  test.each(["right", "left"] as const)("count real tokens, padded on the %s", async (side) => {
    const of = (options: object) => moved(options, undefined, side);
    expect(await of({})).toEqual(["xxxxxx", "xxxx"]);
    expect(await of({ positions: 2 })).toEqual(["..x...", "..x."]);
    expect(await of({ positions: -1 })).toEqual([".....x", "...x"]);
    expect(await of({ positions: [0, -2, 0] })).toEqual(["x...x.", "x.x."]);
    expect(await of({ positions: [] })).toEqual(["......", "...."]);
    expect(await of({ positions: { from: 3 } })).toEqual(["...xxx", "...x"]);
    expect(await of({ positions: { from: 1, to: 3 } })).toEqual([".xx...", ".xx."]);
    expect(await of({ positions: { from: -3, to: -1 } })).toEqual(["...xx.", ".xx."]);
    expect(await of({ positions: { from: 4 } })).toEqual(["....xx", "...."]);
    expect(await of({ positions: { from: 9 } })).toEqual(["......", "...."]);
    expect(await of({ positions: { from: -99, to: 1 } })).toEqual(["x.....", "x..."]);
    expect(await of({ batch: 1 })).toEqual(["......", "xxxx"]);
    expect(await of({ batch: [0], positions: 5 })).toEqual([".....x", "...."]);
    expect(await of({ batch: [1, 0], positions: 1 })).toEqual([".x....", ".x.."]);
  });

  test("allow a sweep of strengths in one batch", async () => {
    const strengths = [-20, -5, 0, 5, 20];
    const sweep = strengths.map((strength, batch) => steer(sae.feature(4), strength, { batch }));
    const together = await logits(
      sweep,
      strengths.map(() => prompt),
    );
    const size = together.length / strengths.length;
    for (const [i, strength] of strengths.entries()) {
      const alone = await logits([steer(sae.feature(4), strength)]);
      const mine = together.subarray(i * size, (i + 1) * size);
      expect(relativeError(mine, alone), `${strength}`).toBeLessThan(1e-5);
    }
  });

  test("apply to a given residual stream, with an early stop and a loss", async () => {
    const edit = [clamp(sae.feature(3), 8)];
    using early = await model.forward(prompt, { stopAtLayer: 1 });
    using rest = await model.forward(early, { startAtLayer: 1, interventions: edit });
    expect(relativeError(rest.readSync("float32"), await logits(edit))).toBeLessThan(1e-5);
    using stopped = await model.forward(prompt, { stopAtLayer: 3, interventions: edit });
    using run = await model.runWithCache(prompt, {
      names: [at],
      interventions: edit,
      logits: false,
    });
    expect(stopped.readSync()).toEqual(run.cache.get(at).readSync());
    const changed = await model.loss(prompt, { interventions: edit });
    expect(changed).not.toBeCloseTo(await model.loss(prompt), 3);
    expect(await model.loss(prompt, { coders: [sae] })).toBeCloseTo(await model.loss(prompt), 5);
  });

  test("extend a run that would have stopped before the intervention", async () => {
    using run = await model.runWithCache(prompt, {
      names: ["blocks.0.hook_resid_post"],
      interventions: [clamp(sae.feature(3), 8)],
      logits: false,
    });
    expect(run.cache.size).toBe(1);
  });

  test("leave padding without features", async () => {
    const input = [prompt, prompt.slice(0, 3)];
    using run = await model.runWithCache(input, {
      names: [],
      features: [sae],
      coders: [sae],
      interventions: [clamp(sae.feature(3), 8)],
      logits: false,
    });
    const { indptr } = await run.features(sae).read();
    expect([...indptr.slice(-4)].every((end) => end === indptr.at(-1))).toBe(true);
  });
});
