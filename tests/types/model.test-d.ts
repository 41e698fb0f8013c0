import { assertType, describe, expectTypeOf, test } from "vitest";
import {
  type Coder,
  type FeatureActs,
  type Hook,
  type HookedTransformer,
  hook,
  type Run,
  type RunWithLogits,
  type SAE,
  type Tensor,
  type Tokens,
  type Transcoder,
} from "../../lib/index.js";

type Residual = Tensor<readonly ["batch", "pos", "d_model"]>;
declare const model: HookedTransformer;
declare const sae: SAE;
declare const transcoder: Transcoder;
declare const layer: number;
declare const logits: "all" | false;
declare const plain: Tensor;
declare const pattern: Tensor<["batch", "head_index", "query_pos", "key_pos"]>;
declare const residual: Tensor<["batch", "pos", "d_model"]>;
declare const z: Tensor<["batch", "pos", "head_index", "d_head"]>;

describe("forward", () => {
  test("accepts every input", async () => {
    model.forward("text");
    model.forward(["a", "b"] as const);
    model.forward(new Int32Array([1, 2]));
    model.forward([1, 2]);
    model.forward([[1, 2], [3]]);
    model.forward(model.toTokens("text"));
    model.forward(residual, { startAtLayer: 2 });
    model.forward(plain, { startAtLayer: 2 });
    // @ts-expect-error a number is no input
    model.forward(7);
    // @ts-expect-error heads are no residual stream
    model.forward(z, { startAtLayer: 2 });
    // @ts-expect-error no such option
    model.forward("text", { stopAt: 3 });
  });

  test("gives logits, or the residual stream with stopAtLayer", async () => {
    assertType<Tensor<["batch", "pos", "d_vocab"]>>(await model.forward("text"));
    const early = await model.forward("text", { stopAtLayer: 3 });
    assertType<Tensor<["batch", "pos", "d_model"]>>(early);
    // @ts-expect-error it is not logits
    assertType<Tensor<["batch", "pos", "d_vocab"]>>(early);
    model.forward(early, { startAtLayer: 3 });
  });

  test("accepts hooks with and without types", () => {
    model.forward("text", {
      hooks: [
        hook("blocks.3.hook_resid_post", (act) => act.mul(2)),
        ["blocks.3.hook_resid_post", (act) => act.mul(2)],
        hook(sae.cfg.hookName, (act) => act),
      ],
    });
    // @ts-expect-error misspelt
    model.forward("text", { hooks: [hook("blocks.3.hook_resid_pst", () => {})] });
  });

  test("accepts bare pairs whose names may exist", () => {
    const listed: Hook[] = [hook(["z", 2], () => {}), [sae.cfg.hookName, () => {}]];
    model.forward("text", { hooks: listed });
    model.forward("text", { hooks: [...listed, ["hook_embed", () => {}]] });
    model.forward("text", { hooks: [0, 1].map((at) => hook(["z", at], () => {})) });
    model.loss("text", { hooks: [[`blocks.${layer}.hook_resid_post`, () => {}]] });
    model.generate("text", {
      hooks: [
        [sae.cfg.hookName, () => {}],
        [["mlp_out", 2], () => {}],
      ],
    });
    model.runWithCache("text", {
      names: [],
      hooks: [["blocks.3.hook_mlp_out", (act) => void expectTypeOf(act).toEqualTypeOf<Residual>()]],
    });
    // @ts-expect-error misspelt
    model.forward("text", { hooks: [["blocks.2.hook_resid_pots", () => {}]] });
    model.forward("text", {
      hooks: [
        [sae.cfg.hookName, (act) => act],
        // @ts-expect-error misspelt, next to one known only at run time
        ["hook_embde", () => {}],
      ],
    });
    // @ts-expect-error misspelt, next to a hook
    model.loss("text", { hooks: [hook("hook_embed", () => {}), ["hook_embde", () => {}]] });
    // @ts-expect-error misspelt
    model.runWithCache("text", { names: [], hooks: [["blocks.2.hook_resid_pots", () => {}]] });
    // @ts-expect-error misspelt
    model.generate("text", { hooks: [["blocks.2.hook_resid_pots", () => {}]] });
    // @ts-expect-error no such short key
    model.forward("text", { hooks: [[["resid_pst", 2], () => {}]] });
    // @ts-expect-error a pattern at a point of the residual stream
    model.forward("text", { hooks: [["blocks.2.hook_resid_post", () => pattern]] });
  });
});

describe("runWithCache", () => {
  test("has the requested entries", async () => {
    const run = await model.runWithCache("text", {
      names: ["blocks.3.hook_resid_post", `blocks.${layer}.attn.hook_pattern`],
    });
    assertType<RunWithLogits<"blocks.3.hook_resid_post" | `blocks.${number}.attn.hook_pattern`>>(
      run,
    );
    assertType<Tensor<["batch", "pos", "d_vocab"]>>(run.logits);
    assertType<Tensor<["batch", "pos", "d_model"]>>(run.cache.get("blocks.3.hook_resid_post"));
    run.cache.get(["resid_post", 3]);
    run.cache.get(["pattern", layer]);
    // @ts-expect-error not among the names
    run.cache.get("blocks.3.hook_resid_pre");
    // @ts-expect-error not among the names
    run.cache.get(["resid_pre", 3]);
  });

  test("accepts short keys", async () => {
    using run = await model.runWithCache("text", {
      names: [
        ["resid_post", 2],
        ["attn", layer],
      ],
    });
    assertType<Tensor<["batch", "pos", "d_model"]>>(run.cache.get("blocks.2.hook_resid_post"));
    assertType<Tensor<["batch", "pos", "d_model"]>>(run.cache.get(["resid_post", 2]));
    run.cache.get(["pattern", 0]);
    // @ts-expect-error another layer
    run.cache.get("blocks.3.hook_resid_post");
    // @ts-expect-error no such short key
    model.runWithCache("text", { names: [["resid_pst", 2]] });
    const target = { loss: true } as const;
    using g = await model.runWithGradients("text", { names: [["resid_post", 2]], target });
    assertType<Tensor<["batch", "pos", "d_model"]>>(g.grad("blocks.2.hook_resid_post"));
    for await (const token of model.generate("text", { record: { names: [["z", 1]] } })) {
      token.cache.get("blocks.1.attn.hook_z");
      // @ts-expect-error another layer
      token.cache.get("blocks.2.attn.hook_z");
    }
    model.addHook(["z", 1], (act) => {
      assertType<Tensor<["batch", "pos", "head_index", "d_head"]>>(act);
    });
    // @ts-expect-error misspelt, next to a name known only at run time
    model.runWithCache("text", { names: [sae.cfg.hookName, "hook_embde"] });
  });

  test("requires correctly spelt names", () => {
    // @ts-expect-error names are required
    model.runWithCache("text", {});
    // @ts-expect-error options are required
    model.runWithCache("text");
    // @ts-expect-error misspelt
    model.runWithCache("text", { names: ["blocks.3.hook_resid_pst"] });
    // @ts-expect-error misspelt, with a variable layer
    model.runWithCache("text", { names: [`blocks.${layer}.hook_resid_pst`] });
  });

  test("accepts names known only at run time", async () => {
    const run = await model.runWithCache("text", {
      names: [sae.cfg.hookName, transcoder.cfg.hookNameOut],
      features: [sae, transcoder],
    });
    expectTypeOf(run.cache.get(sae.cfg.hookName)).toEqualTypeOf<Tensor>();
    assertType<FeatureActs>(run.features(sae));
    const all = await model.runWithCache("text", { names: (name) => name.endsWith("hook_z") });
    all.cache.get("blocks.1.attn.hook_z");
  });

  test("has no logits with `logits: false`", async () => {
    const run = await model.runWithCache("text", { names: ["hook_embed"], logits: false });
    assertType<Run<"hook_embed">>(run);
    // @ts-expect-error there are none
    run.logits;
    const stopped = await model.runWithCache("text", { names: ["hook_embed"], stopAtLayer: 1 });
    // @ts-expect-error there are none
    stopped.logits;
    const unknown = await model.runWithCache("text", { names: ["hook_embed"], logits });
    // @ts-expect-error there may be none
    unknown.logits;
  });
});

describe("the other methods of the model", () => {
  test("loss is a number or a tensor", async () => {
    expectTypeOf(await model.loss("text")).toEqualTypeOf<number>();
    assertType<Tensor<["batch", "pos"]>>(await model.loss("text", { perToken: true }));
  });

  test("addHook has the point's axes", () => {
    using handle = model.addHook("blocks.0.attn.hook_z", (act) => {
      assertType<Tensor<["batch", "pos", "head_index", "d_head"]>>(act);
    });
    handle.dispose();
    model.addHook(`blocks.${layer}.hook_mlp_out`, (act) => act.mul(0));
    // @ts-expect-error misspelt
    model.addHook("blocks.0.attn.hook_zz", () => {});
  });

  test("tokens and generation", async () => {
    assertType<Tokens>(model.toTokens("text", { paddingSide: "left" }));
    for await (const { batch, token, text, logprob, step } of model.generate("text", { topK: 5 })) {
      assertType<[number, number, string, number, number]>([batch, token, text, logprob, step]);
    }
    assertType<string>(await model.generate("text").text());
    // @ts-expect-error tokens, not a tensor
    model.generate(residual);
    // @ts-expect-error no such option
    model.generate("text", { max_new_tokens: 3 });
  });

  test("is disposed asynchronously", async () => {
    await using other = model;
    assertType<AsyncDisposable>(other);
    // @ts-expect-error disposing waits
    using _sync = model;
  });
});

describe("coders", () => {
  test("keep the axes of their target", async () => {
    assertType<Tensor<["batch", "pos", "d_model"]>>(await sae.forward(residual));
    assertType<Tensor<["batch", "pos", "head_index", "d_head"]>>(await sae.edit(z, () => {}));
    assertType<Tensor<["batch", "pos", "d_model"]>>(await transcoder.error(plain, residual));
    hook("blocks.3.hook_resid_post", (act) => sae.edit(act, (acts) => void acts.zero(3)));
    hook("blocks.3.hook_resid_post", (act) =>
      sae.edit(act, async (acts) => {
        await acts.topK(3);
        return acts.set(1, 2, { positions: -1 });
      }),
    );
    assertType<Coder>(sae);
    hook("blocks.3.hook_resid_post", async (act) => sae.decode(await sae.encode(act)));
    hook("blocks.3.hook_resid_post", (act) => sae.forward(act));
    hook("blocks.3.hook_resid_post", async (act) => act.sub(await sae.error(act)));
    hook("blocks.3.hook_mlp_out", () => transcoder.forward(residual));
    hook(sae.cfg.hookName, async (act) => sae.decode(await sae.encode(act)));
    using run = await model.runWithCache("text", { names: [["resid_post", 3]], features: [sae] });
    const act = run.cache.get(["resid_post", 3]);
    assertType<Tensor<["batch", "pos", "d_model"]>>(await sae.decode(await sae.encode(act)));
    assertType<Tensor<["batch", "pos", "d_model"]>>(await sae.forward(act));
    assertType<Tensor<["batch", "pos", "d_model"]>>(await sae.decode(run.features(sae)));
    assertType<FeatureActs>(await sae.encode(act));
    assertType<Tensor<["batch", "pos", "d_out"]>>(await sae.decode(await sae.encode(z)));
    // @ts-expect-error a pattern is no input
    sae.encode(pattern);
    // @ts-expect-error a pattern is no input
    transcoder.forward(pattern);
    // @ts-expect-error logits are no input
    sae.error(await model.forward("text"));
    // @ts-expect-error a transcoder needs the output too
    transcoder.edit(residual, () => {});
    // @ts-expect-error no such option
    sae.encode(residual, { feature: [1] });
  });
});
