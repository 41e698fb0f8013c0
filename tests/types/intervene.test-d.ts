import { assertType, describe, expectTypeOf, test } from "vitest";
import {
  type ActivationCache,
  ablate,
  clamp,
  freeze,
  type GeneratedToken,
  type HookedTransformer,
  Intervention,
  type InterventionsJson,
  patch,
  project,
  type RecordedToken,
  type SAE,
  scale,
  steer,
  type Tensor,
  type Transcoder,
} from "../../lib/index.js";

declare const model: HookedTransformer;
declare const sae: SAE;
declare const transcoder: Transcoder;
declare const layer: number;
declare const plain: Tensor;
declare const residual: Tensor<["batch", "pos", "d_model"]>;
declare const z: Tensor<["batch", "pos", "head_index", "d_head"]>;
declare const cache: ActivationCache<"blocks.3.hook_resid_post" | "blocks.3.attn.hook_z">;
declare const anyCache: ActivationCache;

describe("creating interventions", () => {
  test("of features", () => {
    assertType<Intervention>(ablate(sae.feature(7)));
    assertType<Intervention>(ablate(transcoder.feature(7), { to: 0.3, positions: [0, -1] }));
    assertType<Intervention>(clamp({ coder: sae, feature: 7 }, 4, { positions: { from: 3 } }));
    assertType<Intervention>(scale(sae.feature(7), 0.5, { batch: [0, 2], positions: -1 }));
    // @ts-expect-error a value is needed
    clamp(sae.feature(7));
    // @ts-expect-error no such option
    ablate(sae.feature(7), { value: 3 });
    // @ts-expect-error a feature, not its number
    ablate(7);
    // @ts-expect-error a range needs a beginning
    ablate(sae.feature(7), { positions: { to: 3 } });
    // @ts-expect-error only steering is capped
    clamp(sae.feature(7), 1, { cap: 3 });
  });

  test("of directions", () => {
    steer(sae.feature(7), 40, { cap: 10 });
    steer({ hook: "blocks.3.hook_resid_post", vector: [1, 2] }, 1);
    steer({ hook: `blocks.${layer}.hook_out`, vector: new Float32Array(3) }, 1);
    steer({ hook: sae.cfg.hookName, vector: sae.direction(3) }, Number.POSITIVE_INFINITY, {
      cap: 2,
    });
    project("blocks.3.hook_resid_post", plain);
    project(`blocks.${layer}.hook_mlp_out`, [1]);
    project(sae.cfg.hookName, [1]);
    // @ts-expect-error misspelt
    project("blocks.3.hook_resid_pst", [1]);
    // @ts-expect-error misspelt
    steer({ hook: "blocks.3.hook_resid_pst", vector: [1] }, 1);
    // @ts-expect-error a vector is needed
    steer({ hook: "blocks.3.hook_resid_post" }, 1);
    // @ts-expect-error a strength is needed
    steer(sae.feature(7));
    // @ts-expect-error no such option
    project("blocks.3.hook_resid_post", [1], { cap: 1 });
  });

  test("from other runs", async () => {
    patch("blocks.3.hook_resid_post", cache);
    patch("blocks.3.hook_out", cache);
    patch("blocks.3.attn.hook_z", cache, { heads: [1], positions: 0 });
    patch(`blocks.${layer}.attn.hook_z`, cache);
    patch("blocks.3.hook_mlp_out", anyCache);
    patch(sae.cfg.hookName, cache);
    patch("blocks.3.hook_resid_post", residual);
    patch("blocks.3.hook_resid_post", plain);
    patch(sae.cfg.hookName, plain);
    const run = await model.runWithCache("text", { names: ["blocks.1.hook_mlp_out"] });
    patch("blocks.1.hook_mlp_out", run.cache);
    // @ts-expect-error it was not cached
    patch("blocks.2.hook_mlp_out", run.cache);
    // @ts-expect-error it was not cached
    patch("blocks.3.hook_mlp_out", cache);
    // @ts-expect-error misspelt
    patch("blocks.3.hook_resid_pst", anyCache);
    // @ts-expect-error misspelt
    patch("blocks.3.hook_resid_pst", plain);
    // @ts-expect-error heads are no residual stream
    patch("blocks.3.hook_resid_post", z);
    // @ts-expect-error no such option
    patch("blocks.3.attn.hook_z", cache, { head: 1 });
    assertType<Intervention[]>(freeze(["blocks.3.attn.hook_z"], cache));
    freeze((name) => name.endsWith("hook_pattern"), anyCache);
    freeze([sae.cfg.hookName, `blocks.${layer}.attn.hook_z`], cache);
    // @ts-expect-error it was not cached
    freeze(["blocks.3.hook_mlp_out"], cache);
    // @ts-expect-error a list
    freeze("blocks.3.attn.hook_z", cache);
  });

  test("as data", async () => {
    const one = clamp(sae.feature(7), 3);
    assertType<Intervention>({ ...one, value: 4 });
    assertType<Intervention>({ type: "scale", target: sae.feature(7), factor: 2 });
    // @ts-expect-error no such type
    assertType<Intervention>({ type: "suppress", target: sae.feature(7) });
    // @ts-expect-error it is readonly
    one.value = 4;
    const json = await Intervention.toJSON([one]);
    assertType<InterventionsJson>(json);
    expectTypeOf(Intervention.fromJSON(json, { coders: [sae] })).toEqualTypeOf<
      Promise<Intervention[]>
    >();
  });
});

describe("runs", () => {
  test("accept interventions and coders", async () => {
    const interventions = [ablate(sae.feature(7)), steer(sae.feature(3), 2)];
    const coders = [sae, transcoder, { coder: sae, errorTerm: false }] as const;
    assertType<Tensor<["batch", "pos", "d_vocab"]>>(
      await model.forward("text", { interventions, coders }),
    );
    assertType<number>(await model.loss("text", { interventions, coders }));
    const run = await model.runWithCache("text", {
      names: ["hook_embed"],
      features: [sae],
      interventions,
      coders: [{ coder: sae, excludeSpecialTokens: true }],
    });
    run.features(sae);
    // @ts-expect-error not a list
    model.forward("text", { interventions: interventions[0] });
    // @ts-expect-error no such option
    model.forward("text", { coders: [{ coder: sae, useErrorTerm: true }] });
  });
});

describe("generate", () => {
  test("gives plain tokens unless it records something", async () => {
    for await (const token of model.generate("text", { interventions: [], coders: [sae] })) {
      expectTypeOf(token).toEqualTypeOf<GeneratedToken>();
      // @ts-expect-error nothing was recorded
      token.cache;
      // @ts-expect-error nothing was recorded
      token.dispose();
    }
  });

  test("gives tokens with the recorded values", async () => {
    const generation = model.generate("text", {
      record: { names: ["blocks.3.hook_resid_post"], features: [sae] },
    });
    for await (const token of generation) {
      using item = token;
      assertType<RecordedToken<"blocks.3.hook_resid_post">>(item);
      assertType<string>(item.text);
      assertType<Tensor<["batch", "pos", "d_model"]>>(item.cache.get("blocks.3.hook_resid_post"));
      item.features(sae);
      expectTypeOf(item.logits).toEqualTypeOf<Tensor<["d_vocab"]> | undefined>();
      // @ts-expect-error not among the names
      item.cache.get("blocks.3.hook_resid_pre");
    }
    assertType<string>(await generation.text());
    for await (const token of model.generate("text", { record: { logits: true } })) {
      expectTypeOf(token.logits).toExtend<Tensor<["d_vocab"]>>();
    }
    // @ts-expect-error misspelt
    model.generate("text", { record: { names: ["blocks.3.hook_resid_pst"] } });
    // @ts-expect-error no such option
    model.generate("text", { record: { hooks: [] } });
  });
});
