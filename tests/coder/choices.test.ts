import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  activationPatching,
  attribute,
  decompositionNames,
  directLogitAttribution,
  evaluateCoder,
  featureMeans,
  freeze,
  type GemlensError,
  HookedTransformer,
  hook,
  logitLens,
  patch,
  readout,
  SAE,
  scale,
  steer,
  type Tensor,
  tensor,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

// Numbers that are not finite have no order, so every function that ranks them refuses them.
const onDevice = { device: device as "cpu" };
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const name = "blocks.2.hook_resid_post";
const prompt = [2, 17, 93, 4];
const rows = [
  [2, 17, 93],
  [2, 5, 66, 20, 8, 110, 33],
];

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), onDevice);
  const file = fixture("tiny-gemma2/gs1/res/params.npz");
  sae = await SAE.fromFile(file, { ...onDevice, hookName: name });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

async function refused(fn: () => unknown): Promise<GemlensError> {
  const error = await failure(fn);
  expect(error.message).toContain("not finite");
  expect(error).toMatchObject({ code: "ARGUMENT" });
  return error as GemlensError;
}

const spoil = (value: number, row: number, column: number, at = name) =>
  hook(at as typeof name, (act) => {
    (act as Tensor)
      .slice(0, row, row + 1)
      .slice(1, column, column + 1)
      .slice(2, 3, 4)
      .fill_(value);
  });

describe("encode", () => {
  test("accepts a finite row whose sum overflows, and names the invalid row after it", async () => {
    const values = new Float32Array(3 * 48).fill(3e38, 48, 96);
    using acts = await sae.encode(tensor(values, { ...onDevice, shape: [3, 48] }), {
      features: [],
    });
    expect(acts.nnz).toBe(0);
    values[2 * 48 + 5] = infinity;
    const x = tensor(values, { ...onDevice, shape: [3, 48] });
    const { fields } = await refused(() => sae.encode(x, { features: [] }));
    expect(fields).toMatchObject({ row: 2, dimension: 5 });
  });

  test.each([nan, infinity, -infinity])("names the token of a %s", async (value) => {
    const data = new Float32Array(2 * 3 * 48).fill(0.5);
    data[(3 + 2) * 48 + 7] = value;
    using x = tensor(data, onDevice).reshape([2, 3, 48]);
    const error = await refused(() => sae.encode(x));
    expect(error.fields).toMatchObject({ batch: 1, position: 2, dimension: 7 });
    expect(error.message).toMatch(/in row 1, position 2$/);
    expect((await refused(() => sae.encode(x.reshape([6, 48])))).fields["row"]).toBe(5);
    await refused(() => sae.encode(x, { features: [1, 5] }));
    await refused(() => sae.forward(x));
  });

  test.each(["left", "right"] as const)(
    "names hook, row and token in a run padded on the %s",
    async (paddingSide) => {
      const tokens = model.toTokens(rows, { paddingSide });
      const column = paddingSide === "left" ? 4 + 1 : 1;
      for (const options of [
        { features: [sae], names: [] },
        { features: [sae], names: [], coders: [sae] },
      ]) {
        const error = await refused(() =>
          model.runWithCache(tokens, {
            ...options,
            logits: false,
            hooks: options.coders
              ? [spoil(nan, 0, column, "blocks.2.hook_mlp_out")]
              : [spoil(nan, 0, column)],
          }),
        );
        expect(error.message.startsWith(`${name}: `)).toBe(true);
        expect(error.fields).toMatchObject({ batch: 0, position: 1 });
      }
      const padding = paddingSide === "left" ? 0 : 6;
      using whole = await model.runWithCache(tokens, { features: [sae], names: [], logits: false });
      using run = await model.runWithCache(tokens, {
        features: [sae],
        names: [],
        logits: false,
        hooks: [spoil(nan, 0, padding)],
      });
      expect(await run.features(sae).read()).toEqual(await whole.features(sae).read());
    },
  );

  test("refuses an edit that overflows", async () => {
    using run = await model.runWithCache(prompt, { features: [sae], names: [], logits: false });
    const acts = run.features(sae);
    expect((await failure(() => acts.set(1, 1e39))).code).toBe("ARGUMENT");
    acts.add(1, 3e38).add(1, 3e38);
    expect((await refused(() => acts.topK(3))).fields["feature"]).toBe(1);
  });
});

describe("functions that rank tokens or features refuse a NaN", () => {
  test("readout, logitLens", async () => {
    const vector = new Float32Array(48).fill(1);
    vector[5] = nan;
    await refused(() => readout(model, tensor(vector, onDevice)));
    await refused(() => readout(model, tensor(new Float32Array(48).fill(3e38), onDevice)));
    const names = ["blocks.1.hook_resid_post", name] as const;
    using run = await model.runWithCache(rows, { names, logits: false, hooks: [spoil(nan, 1, 4)] });
    const error = await refused(() => logitLens(model, run.cache));
    expect(error.message).toContain(`${name} in row 1, position 4`);
    expect(await logitLens(model, run.cache, { layers: [1] })).toHaveLength(10);
  });

  test("directLogitAttribution", async () => {
    const names = decompositionNames(model, "component");
    using run = await model.runWithCache(prompt, {
      names,
      logits: false,
      hooks: [spoil(nan, 0, 3, "blocks.1.hook_mlp_out")],
    });
    await refused(() => directLogitAttribution(model, run.cache, { target: { logit: 5 } }));
  });

  test.each(["gradient", "integrated-gradients", "ablation"] as const)(
    "attribute by %s",
    async (method) => {
      await refused(() =>
        attribute(model, prompt, {
          target: { metric: (logits) => logits.sum().mul(nan) },
          through: [sae],
          method,
        }),
      );
    },
  );

  test("activationPatching", async () => {
    await refused(() =>
      activationPatching(model, {
        clean: prompt,
        corrupt: [2, 17, 94, 4],
        target: { metric: (logits) => logits.sum().mul(0).log().mul(-1) },
        over: { points: "resid_pre", layers: [1], positions: [-1] },
      }),
    );
  });

  test("evaluateCoder and featureMeans", async () => {
    const off = model.addHook(name, (act) => void (act as Tensor).fill_(nan));
    try {
      await refused(() => evaluateCoder(model, sae, [prompt] as never));
      await refused(() => featureMeans(model, sae, [prompt] as never));
    } finally {
      off.dispose();
    }
  });

  test("except tensors, which follow PyTorch: a NaN is the largest", async () => {
    using t = tensor([1, nan, 3, -infinity, infinity], onDevice);
    expect(Number(t.argmax().item())).toBe(1);
    expect(t.max().item()).toBeNaN();
    expect(t.min().item()).toBeNaN();
    const { values, indices } = t.topk(3);
    expect(Array.from(await values.read("float32"))).toEqual([nan, infinity, 3]);
    expect(Array.from(await indices.to("float32").read("float32"))).toEqual([1, 4, 2]);
  });
});

describe("interventions", () => {
  test.each([nan, infinity, -infinity, 1e39])("refuse %s as a number", async (value) => {
    const bad = [
      () => steer(sae.feature(1), value),
      () => steer({ hook: name, vector: [1, value] }, 2),
      () => steer({ hook: name, vector: tensor([1, value], onDevice) }, 2),
      () => steer(sae.feature(1), 2, { cap: value }),
      () => ablate(sae.feature(1), { to: value }),
      () => scale(sae.feature(1), value),
    ];
    for (const make of bad) expect((await failure(make)).code).toBe("ARGUMENT");
  });

  test("refuse a patch that is not finite, naming its hook", async () => {
    using run = await model.runWithCache(prompt, { names: [name], logits: false });
    for (const value of [nan, infinity, -infinity]) {
      using source = run.cache.get(name).clone();
      source.slice(1, 2, 3).slice(2, 0, 1).fill_(value);
      const error = await refused(() =>
        model.forward(prompt, { interventions: [patch(name, source)] }),
      );
      expect(error.fields["hook"]).toBe(name);
      // The patch is finite at other positions.
      const interventions = [patch(name, source, { positions: [1, 3] })];
      using logits = await model.forward(prompt, { interventions });
      expect((await logits.read("float32")).every(Number.isFinite)).toBe(true);
    }
  });

  test("patch masked scores unchanged", async () => {
    const points = ["blocks.1.attn.hook_attn_scores"] as const;
    using run = await model.runWithCache(prompt, { names: points });
    using logits = await model.forward(prompt, { interventions: freeze(points, run.cache) });
    expect(await logits.read()).toEqual(await run.logits.read());
  });
});
