import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  HookedTransformer,
  project,
  readout,
  SAE,
  steer,
  type Tensor,
  Transcoder,
  tensor,
} from "../../lib/index.js";
import { bundled } from "../support/bundled.js";
import { device, failure } from "../support/compare.js";

// 4 heads of 32 are as wide as the residual stream of 128, so only the tensor's origin
// distinguishes them.
describe("refuses vectors of another space", () => {
  let model: HookedTransformer;
  let run: Awaited<ReturnType<typeof record>>;
  const names = [
    "blocks.1.hook_resid_pre",
    "blocks.1.ln1.hook_normalized",
    "blocks.1.attn.hook_z",
    "blocks.2.attn.hook_z",
    "blocks.1.hook_attn_out",
    "blocks.2.hook_mlp_out",
    "blocks.3.hook_resid_post",
    "ln_final.hook_normalized",
    "unembed.hook_in",
  ] as const;
  const record = () => model.runWithCache("One day a girl", { names });
  const at = (name: (typeof names)[number]): Tensor => run.cache.get(name);
  /** Head outputs of block 1 as rows of d_model numbers. */
  const heads = (name: "blocks.1.attn.hook_z" | "blocks.2.attn.hook_z" = "blocks.1.attn.hook_z") =>
    at(name).reshape([1, -1, 128]);
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
    run = await record();
  });
  afterAll(async () => {
    run?.[Symbol.dispose]();
    await model?.dispose();
  });

  const refused = async (call: () => unknown, ...parts: string[]) => {
    const error = await failure(async () => call());
    expect(error, error.message).toMatchObject({ code: "HOOK" });
    for (const part of [...parts, "{unchecked: true}"]) expect(error.message).toContain(part);
  };

  test("as a run's residual stream", async () => {
    for (const name of ["blocks.1.ln1.hook_normalized", "unembed.hook_in"] as const) {
      await refused(() => model.forward(at(name), { startAtLayer: 2 }), "forward", name);
      await refused(() => model.forward(at(name), { startAtLayer: 4 }), "ln_final.hook_in", name);
      await refused(
        () => model.runWithCache(at(name), { startAtLayer: 2, names: [] }),
        "runWithCache",
        name,
      );
    }
    await refused(
      () =>
        model.runWithGradients(heads(), {
          startAtLayer: 2,
          names: [],
          target: { logit: 3, position: -1 },
        }),
      "blocks.1.attn.hook_z",
    );
    using accepted = await model.forward(heads(), { startAtLayer: 2, unchecked: true });
    using bare = tensor(await heads().read("float32"), { device });
    using want = await model.forward(bare.reshape([1, -1, 128]), { startAtLayer: 2 });
    expect(await accepted.read("float32")).toEqual(await want.read("float32"));
    for (const name of ["blocks.1.hook_resid_pre", "blocks.1.hook_attn_out"] as const) {
      using logits = await model.forward(at(name), { startAtLayer: 2 });
      expect(logits.shape.at(-1)).toBe(model.cfg.dVocab);
    }
  });

  test("in the final norm and the unembedding", async () => {
    const last = at("blocks.3.hook_resid_post");
    for (const x of [heads(), at("ln_final.hook_normalized"), at("unembed.hook_in")]) {
      await refused(() => model.finalNorm(x), "finalNorm", "ln_final.hook_in");
    }
    await refused(() => model.unembed(heads()), "unembed.hook_in", "blocks.1.attn.hook_z");
    await refused(() => model.unembed(at("blocks.1.ln1.hook_normalized")), "ln1.hook_normalized");
    using normed = await model.finalNorm(last);
    expect(await normed.read("float32")).toEqual(await at("unembed.hook_in").read("float32"));
    // A normalized residual stream is no longer a residual stream.
    await refused(() => model.finalNorm(normed), "unembed.hook_in");
    await refused(() => model.forward(normed, { startAtLayer: 2 }), "unembed.hook_in");
    for (const x of [normed, last, at("ln_final.hook_normalized")]) {
      using logits = await model.unembed(x);
      expect(logits.shape).toEqual([1, last.shape[1], model.cfg.dVocab]);
    }
    using forced = await model.unembed(heads(), { unchecked: true });
    using same = await model.finalNorm(heads(), { unchecked: true });
    expect([forced.ndim, same.ndim]).toEqual([3, 3]);
    const unknown = await failure(() => model.finalNorm(last, { uncheckd: true } as never));
    expect(unknown.code).toBe("ARGUMENT");
  });

  const last = (x: Tensor) => x.select(1, -1).select(0, 0);
  const sums: readonly [string, () => Tensor][] = [
    ["a difference of two layers", () => last(heads()).sub(last(heads("blocks.2.attn.hook_z")))],
    ["a sum with the stream", () => last(at("blocks.1.hook_resid_pre")).add(last(heads()))],
    ["a sum in place", () => last(at("blocks.1.hook_resid_pre")).clone().add_(last(heads()))],
    [
      "a sum scaled by a number",
      () =>
        last(heads())
          .sub(last(at("blocks.2.hook_mlp_out")))
          .mul(2),
    ],
    [
      "a sum in a longer sum",
      () =>
        last(at("blocks.1.hook_resid_pre"))
          .add(last(heads()))
          .add(last(at("blocks.2.hook_mlp_out"))),
    ],
    [
      "the mean of a stack",
      () => heads().sub(at("blocks.1.hook_resid_pre")).select(0, 0).mean({ dim: 0 }),
    ],
    ["a sum with a tensor of no hook", () => last(heads()).add(tensor(new Float32Array(128)))],
    [
      "a row of joined tensors",
      () =>
        last(heads().select(0, 0).index(0, [0]).unsqueeze(0)).sub(
          last(heads("blocks.2.attn.hook_z")),
        ),
    ],
  ];

  test.each(sums)("as a direction: %s", async (_, make) => {
    using vector = make();
    expect(vector.shape).toEqual([128]);
    const hook = "blocks.2.hook_resid_post";
    await refused(() => steer({ hook, vector }, 1), "steer", "attn.hook_z");
    await refused(() => project(hook, vector), "project", "attn.hook_z");
    await refused(() => readout(model, vector, { hook }), "readout", "attn.hook_z");
    expect(steer({ hook, vector }, 1, { unchecked: true }).type).toBe("steer");
    await readout(model, vector, { unchecked: true });
  });

  test("in a readout without a hook if they mix spaces, but not if they share one", async () => {
    using mixed = last(at("blocks.1.hook_resid_pre")).add(last(heads()));
    await refused(() => readout(model, mixed));
    using layers = last(heads()).sub(last(heads("blocks.2.attn.hook_z")));
    await refused(() => readout(model, layers), "blocks.2.attn.hook_z");
    using alike = last(heads()).add(last(heads()));
    using doubled = last(heads()).mul(2);
    expect(await readout(model, alike)).toEqual(await readout(model, doubled));
  });

  test("but accepts sums within the residual stream", async () => {
    using sum = last(at("blocks.1.hook_resid_pre")).add(last(at("blocks.1.hook_attn_out")));
    using bare = tensor(await sum.read("float32"), { device });
    expect(await readout(model, sum)).toEqual(await readout(model, bare));
    const hook = "blocks.3.hook_mlp_out";
    expect(steer({ hook, vector: sum }, 1).type).toBe("steer");
    expect(project(hook, sum).type).toBe("project");
    using logits = await model.forward(
      at("blocks.1.hook_resid_pre").add(at("blocks.1.hook_attn_out")),
      { startAtLayer: 2 },
    );
    expect(logits.ndim).toBe(3);
  });

  test("in a coder's input and output", async () => {
    using sae = await SAE.fromFile(bundled(2, "res"), { device });
    using coder = await Transcoder.fromFile(bundled(2, "transcoders"), { device });
    using mixed = at("blocks.1.hook_resid_pre").add(heads());
    await refused(() => sae.encode(mixed), "encode", "blocks.1.attn.hook_z");
    using sum = at("blocks.1.hook_resid_pre").add(at("blocks.1.hook_attn_out"));
    using acts = await sae.encode(sum);
    expect(acts.dSae).toBe(sae.cfg.dSae);
    const { hookName, hookNameOut } = coder.cfg;
    using both = await model.runWithCache("One day", { names: [hookName, hookNameOut] as const });
    const [x, y] = [both.cache.get(hookName), both.cache.get(hookNameOut)] as [Tensor, Tensor];
    using error = await coder.error(x, y);
    expect(error.shape).toEqual(y.shape);
    await refused(() => coder.error(x, x, {}), "output", hookNameOut, hookName);
    await refused(() => coder.edit(x, x, () => {}), "output", hookNameOut);
    using features = await coder.encode(x);
    await refused(() => coder.decode(features, y), "decode", hookName);
    using decoded = await coder.decode(features, y, { unchecked: true });
    expect(decoded.shape).toEqual(y.shape);
  });
});
