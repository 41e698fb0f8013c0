import { assertType, describe, expectTypeOf, test } from "vitest";
import {
  type ActivationCache,
  type Attributions,
  activationPatching,
  attribute,
  attributionPatching,
  type Coder,
  decomposeResidual,
  decompositionNames,
  directLogitAttribution,
  evaluateCoder,
  type FeatureActs,
  featureMeans,
  type Gradients,
  type HookedTransformer,
  logitLens,
  type PatchingGrid,
  readout,
  type SAE,
  type Tensor,
  type Transcoder,
} from "../../lib/index.js";

declare const model: HookedTransformer;
declare const sae: SAE;
declare const transcoder: Transcoder;
declare const layer: number;
declare const vector: Tensor<["d_model"]>;
declare const residual: Tensor<["batch", "pos", "d_model"]>;

describe("runWithGradients", () => {
  const target = { logit: " Paris" } as const;

  test("has the requested gradients", async () => {
    const g = await model.runWithGradients("text", {
      names: ["blocks.3.hook_resid_post", `blocks.${layer}.attn.hook_pattern`],
      target,
    });
    assertType<Gradients<"blocks.3.hook_resid_post" | `blocks.${number}.attn.hook_pattern`>>(g);
    assertType<Tensor<["batch", "pos", "d_model"]>>(g.grad("blocks.3.hook_resid_post"));
    assertType<Tensor<["batch", "pos", "d_model"]>>(g.cache.get("blocks.3.hook_resid_post"));
    g.grad(["resid_post", 3]);
    g.grad(["pattern", layer]);
    // @ts-expect-error not among the names
    g.grad("blocks.3.hook_resid_pre");
    // @ts-expect-error not among the names
    g.grad(["resid_pre", 3]);
    // @ts-expect-error a pattern is no residual stream
    assertType<Tensor<["batch", "pos", "d_model"]>>(g.grad(["pattern", layer]));
    expectTypeOf(g.value).toEqualTypeOf<number>();
  });

  test("has features and their gradients", async () => {
    const g = await model.runWithGradients("text", { coders: [sae, transcoder], target });
    assertType<FeatureActs>(g.grad(sae));
    assertType<FeatureActs>(g.features(transcoder));
    const some = await model.runWithGradients("text", { names: [sae.cfg.hookName], target });
    expectTypeOf(some.grad(sae.cfg.hookName)).toEqualTypeOf<Tensor>();
    const all = await model.runWithGradients("text", { names: () => true, target });
    assertType<Tensor<["batch", "pos", "head_index", "d_head"]>>(all.grad("blocks.1.attn.hook_z"));
  });

  test("accepts every target", () => {
    model.runWithGradients("text", { target: { logit: 5, position: 3, batch: [0, 1] } });
    model.runWithGradients("text", { target: { logitDiff: [" a", 7] } });
    model.runWithGradients("text", { target: { loss: true } });
    model.runWithGradients("text", { target: { feature: sae.feature(3), position: -2 } });
    model.runWithGradients(residual, { startAtLayer: 2, target });
    model.runWithGradients("text", {
      positions: [-1],
      target: {
        metric: (logits) => {
          assertType<Tensor<["batch", "pos", "d_vocab"]>>(logits);
          return logits.softmax().log().select(-1, 3).mean();
        },
      },
    });
  });

  test("refuses invalid targets and options", () => {
    // @ts-expect-error a target is required
    model.runWithGradients("text", { names: ["hook_embed"] });
    // @ts-expect-error options are required
    model.runWithGradients("text");
    // @ts-expect-error misspelt
    model.runWithGradients("text", { names: ["hook_embde"], target });
    // @ts-expect-error a difference needs two tokens
    model.runWithGradients("text", { target: { logitDiff: [1, 2, 3] } });
    // @ts-expect-error a metric is a tensor, not its number
    model.runWithGradients("text", { target: { metric: (logits) => logits.sum().item() } });
    // @ts-expect-error a metric is synchronous
    model.runWithGradients("text", { target: { metric: async (logits) => logits.sum() } });
    // @ts-expect-error no such option
    model.runWithGradients("text", { target, name: [] });
  });
});

describe("attribute", () => {
  test("gives sorted entries with their coder and target", async () => {
    const found = await attribute(model, "text", {
      target: { logitDiff: [" a", " b"] },
      through: [sae, transcoder],
      method: "integrated-gradients",
      coders: [{ coder: transcoder, errorTerm: false }],
      topK: 5,
    });
    assertType<Attributions>(found);
    for (const { coder, feature, position, activation, effect } of found) {
      assertType<Coder>(coder);
      assertType<number[]>([feature, position, activation, effect]);
    }
    expectTypeOf(found.value).toEqualTypeOf<number>();
    expectTypeOf(found.completeness[0]?.gap).toEqualTypeOf<number | undefined>();
    assertType<number[]>(found.map(({ effect }) => effect));
    attribute(model, [1, 2], { target: { feature: sae.feature(1), position: 2 }, through: [sae] });
    attribute(model, "text", {
      target: { metric: (logits) => logits.sum(), positions: [-1] },
      through: [sae],
    });
  });

  test("refuses invalid targets and inputs", () => {
    const through = [sae];
    // @ts-expect-error a loss is no target of attribution
    attribute(model, "text", { target: { loss: true }, through });
    // @ts-expect-error there is one prompt
    attribute(model, "text", { target: { logit: 3, batch: 0 }, through });
    // @ts-expect-error a method of another name
    attribute(model, "text", { target: { logit: 3 }, through, method: "gradients" });
    // @ts-expect-error coders, not features
    attribute(model, "text", { target: { logit: 3 }, through: [sae.feature(3)] });
    // @ts-expect-error tokens, not a residual stream
    attribute(model, residual, { target: { logit: 3 }, through });
    // @ts-expect-error through is required
    attribute(model, "text", { target: { logit: 3 } });
  });
});

describe("reading the residual stream", () => {
  const some = {} as ActivationCache<"blocks.3.hook_resid_post" | "hook_embed">;
  const any = {} as ActivationCache;

  test("accepts caches with any names", async () => {
    const [entry] = await logitLens(model, some, { layers: [3], target: { logit: [" a", 5] } });
    expectTypeOf(entry?.top[0]?.text).toEqualTypeOf<string | undefined>();
    expectTypeOf(entry?.targets[0]?.rank).toEqualTypeOf<number | undefined>();
    const { stack, components } = await decomposeResidual(model, any, { by: "head" });
    assertType<Tensor<["component", "batch", "pos", "d_model"]>>(stack);
    expectTypeOf(components[0]?.layer).toEqualTypeOf<number | null | undefined>();
    const parts = await directLogitAttribution(model, some, {
      target: { logitDiff: [" a", " b"] },
    });
    expectTypeOf(parts[0]?.effect).toEqualTypeOf<number | undefined>();
    readout(model, vector, { target: { logitDiff: [" a", 5] } });
    // @ts-expect-error the target has no position
    logitLens(model, some, { target: { logit: 5, position: 2 } });
    // @ts-expect-error no logit
    directLogitAttribution(model, some, { target: { loss: true } });
    // @ts-expect-error no such grain
    decomposeResidual(model, any, { by: "layer" });
    // @ts-expect-error a tensor is no cache
    logitLens(model, residual);
  });

  test("lists the names for a decomposition", async () => {
    const run = await model.runWithCache("text", { names: decompositionNames(model, "head") });
    run.cache.get("blocks.2.attn.hook_z");
    decomposeResidual(model, run.cache, { by: "head" });
  });

  test("accepts vectors and features", async () => {
    const { top, bottom, targets } = await readout(model, sae.feature(3), { target: { logit: 5 } });
    assertType<number[]>([...top, ...bottom, ...targets].map(({ logit }) => logit));
    readout(model, vector, { finalNorm: true, softCap: true });
    // @ts-expect-error a number is no vector
    readout(model, 3);
  });
});

describe("patching", () => {
  const pair = { clean: "a b", corrupt: "a c", over: { points: "resid_pre" } } as const;

  test("gives grids", async () => {
    const grid = await activationPatching(model, {
      ...pair,
      target: { logitDiff: [" a", " b"] },
      over: {
        points: ["z", "attn.hook_pattern"],
        heads: true,
        positions: "all-at-once",
        layers: [0, -1],
      },
    });
    assertType<PatchingGrid>(grid);
    expectTypeOf(grid.at({ layer: 0, head: 2 }).share).toEqualTypeOf<number>();
    assertType<PatchingGrid>(
      await attributionPatching(model, { ...pair, metric: (logits) => logits.sum() }),
    );
    // @ts-expect-error no such point
    activationPatching(model, { ...pair, target: { logit: 3 }, over: { points: "resid_pree" } });
    // @ts-expect-error no such direction
    activationPatching(model, { ...pair, target: { logit: 3 }, direction: "clean" });
  });
});

describe("evaluation", () => {
  test("accepts every corpus", async () => {
    async function* stream() {
      yield "text";
      yield [1, 2, 3];
      yield new Int32Array(3);
    }
    const { lossRecovered, density } = await evaluateCoder(model, sae, ["a", "b"], {
      maxTokens: 1000,
    });
    expectTypeOf(lossRecovered.zero).toEqualTypeOf<number>();
    expectTypeOf(density).toEqualTypeOf<Float32Array>();
    evaluateCoder(model, transcoder, stream());
    expectTypeOf(await featureMeans(model, sae, new Set(["a"]))).toEqualTypeOf<Float32Array>();
    // @ts-expect-error numbers are no texts
    evaluateCoder(model, sae, [1, 2]);
    // @ts-expect-error no such option
    evaluateCoder(model, sae, ["a"], { tokens: 5 });
  });
});
