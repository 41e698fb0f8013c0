import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, hook, memory, SAE, tidy } from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, expectClose, failure, relativeError } from "../support/compare.js";
import { fixture, goldensOf, hookGoldens, ids, rowsOf } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

const golden = hookGoldens("tiny-gemma2");
const tokens = ids(golden, "tokens");
const tolerance = 1e-4;

let model: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
});
afterAll(() => model.dispose());

describe("runWithCache", () => {
  test("accepts names, aliases, a predicate or nothing", async () => {
    using run = await model.runWithCache(tokens, {
      names: [
        "blocks.1.hook_resid_post",
        "blocks.1.hook_out",
        "blocks.2.hook_in",
        "ln_final.hook_in",
      ],
      logits: false,
    });
    expect(run.cache.names).toEqual([
      "blocks.1.hook_resid_post",
      "blocks.2.hook_resid_pre",
      "blocks.3.hook_resid_post",
    ]);
    const last = await run.cache.get(["resid_post", -1]).read("float32");
    expect(relativeError(last, need(golden, "blocks.3.hook_resid_post").data)).toBeLessThan(
      tolerance,
    );
    using some = await model.runWithCache(tokens, {
      names: (name) => name.endsWith("attn.hook_z"),
      logits: false,
    });
    expect(some.cache.size).toBe(4);
    using none = await model.runWithCache(tokens, { names: [] });
    expect(none.cache.size).toBe(0);
    const error = await failure(() =>
      model.runWithCache(tokens, { names: ["blocks.0.nothing" as string] }),
    );
    expect(error.code).toBe("NOT_FOUND");
  });

  test("accepts short keys, as hooks, gradients and recordings do", async () => {
    using run = await model.runWithCache(tokens, {
      names: [["resid_post", 1], ["resid_post", -1], ["scale", 2, "ln2"], ["embed"]],
      logits: false,
    });
    expect(run.cache.names).toEqual([
      "blocks.1.hook_resid_post",
      "blocks.3.hook_resid_post",
      "blocks.2.ln2.hook_scale",
      "hook_embed",
    ]);
    const name = "blocks.1.hook_resid_post";
    await expectClose(name, run.cache.get(name), need(golden, name), tolerance);

    const seen: string[] = [];
    using handle = model.addHook(["z", -1], (_, point) => void seen.push(point.name));
    const hooks = [hook(["mlp_out", 2], (_, point) => void seen.push(point.name))];
    (await model.forward(tokens, { hooks })).dispose();
    expect(seen).toEqual(["blocks.2.hook_mlp_out", "blocks.3.attn.hook_z"]);
    handle.dispose();
    seen.length = 0;
    await model.loss(tokens, { hooks: [[["pattern", 0], (_, { name }) => void seen.push(name)]] });
    expect(seen).toEqual(["blocks.0.attn.hook_pattern"]);

    const target = { loss: true } as const;
    using gradients = await model.runWithGradients(tokens, { names: [["resid_mid", 0]], target });
    expect(gradients.grad("blocks.0.hook_resid_mid").shape.at(-1)).toBe(model.cfg.dModel);
    const record = { names: [["attn", 1]] } as const;
    for await (const token of model.generate(tokens, { maxNewTokens: 1, record })) {
      expect(token.cache.names).toEqual(["blocks.1.attn.hook_pattern"]);
      token.dispose();
    }
  });

  test("refuses short keys without a hook point", async () => {
    for (const key of [["resid_pst", 1], ["resid_post", 99], ["scale", 1], [], ["z", 1.5]]) {
      const error = await failure(() => model.runWithCache(tokens, { names: [key as ["z", 1]] }));
      expect(error.code, JSON.stringify(key)).toBe("NOT_FOUND");
      const asHook = await failure(() =>
        model.forward(tokens, { hooks: [[key as ["z", 1], () => {}]] }),
      );
      expect(asHook.code, JSON.stringify(key)).toBe("NOT_FOUND");
    }
  });

  test("has no logits with `logits: false`", async () => {
    using run = await model.runWithCache(tokens, { names: ["hook_embed"], logits: false });
    expect("logits" in run).toBe(false);
    await expectClose("embed", run.cache.get("hook_embed"), need(golden, "hook_embed"), tolerance);
    using stopped = await model.runWithCache(tokens, {
      names: ["blocks.0.hook_resid_post"],
      stopAtLayer: 1,
    });
    expect("logits" in stopped).toBe(false);
    const late = await failure(() =>
      model.runWithCache(tokens, { names: ["blocks.1.hook_resid_post"], stopAtLayer: 1 }),
    );
    expect(late.code).toBe("ARGUMENT");
    using norm = await model.runWithCache(tokens, { names: ["unembed.hook_out"], logits: false });
    await expectClose(
      "unembed",
      norm.cache.get("unembed.hook_out"),
      need(golden, "unembed.hook_out"),
      tolerance,
    );
  });

  test("starts from a residual stream", async () => {
    using before = await model.forward(tokens, { stopAtLayer: 2 });
    using run = await model.runWithCache(before, {
      startAtLayer: 2,
      names: ["blocks.3.hook_mlp_out"],
    });
    await expectClose("logits", run.logits, need(golden, "logits"), tolerance);
    const name = "blocks.3.hook_mlp_out";
    await expectClose(name, run.cache.get(name), need(golden, name), tolerance);
    const missed = await failure(() =>
      model.runWithCache(before, { startAtLayer: 2, names: ["hook_embed"] }),
    );
    expect(missed.code).toBe("ARGUMENT");
  });

  test("keeps entries unchanged by later hooks and callers", async () => {
    const name = "blocks.1.hook_resid_pre";
    using run = await model.runWithCache(tokens, {
      names: ["blocks.0.hook_resid_post", name, "blocks.1.hook_resid_mid"],
      hooks: [hook("blocks.1.hook_resid_pre", (act) => void act.fill_(0))],
    });
    await expectClose(
      "before the hook",
      run.cache.get("blocks.0.hook_resid_post"),
      need(golden, "blocks.0.hook_resid_post"),
      tolerance,
    );
    expect((await run.cache.get(name).read("float32")).every((value) => value === 0)).toBe(true);
  });

  test("owns its tensors", async () => {
    const before = (await settledMemory()).handles;
    const run = await model.runWithCache(tokens, { names: ["hook_embed", "blocks.0.attn.hook_q"] });
    const embed = run.cache.get("hook_embed");
    run.dispose();
    run.dispose();
    expect(embed.isDisposed).toBe(true);
    expect(memory().handles).toBe(before);
    const kept = await tidy(async () => {
      const inner = await model.runWithCache(tokens, { names: ["hook_embed"] });
      return inner.keep();
    });
    expect(kept.cache.get("hook_embed").shape).toEqual([1, 24, 48]);
    kept.dispose();
    expect(memory().handles).toBe(before);
  });

  test("prints a summary", async () => {
    using run = await model.runWithCache(tokens, { names: ["hook_embed"] });
    expect(inspect(run)).toContain("hook_embed");
    expect(inspect(run)).toContain("logits");
  });

  test("encodes features of coders within the run, without padding", async () => {
    using sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.2.hook_resid_post",
      device,
    });
    using z = await SAE.fromFile(fixture("tiny-gemma2/gs1/att/params.npz"), {
      hookName: "blocks.2.attn.hook_z",
      device,
    });
    const rows = rowsOf(goldensOf("tiny-gemma2", "expected_padded"));
    for (const paddingSide of ["left", "right"] as const) {
      using batch = await model.runWithCache(rows, {
        names: [],
        features: [sae, z],
        logits: false,
        paddingSide,
      });
      for (const coder of [sae, z]) {
        let total = 0;
        for (const [row, tokens] of rows.entries()) {
          using alone = await model.runWithCache(tokens, {
            names: [],
            features: [coder],
            logits: false,
          });
          total += alone.features(coder).nnz;
          for (const pos of [0, 2, -1]) {
            const got = await batch.features(coder).at({ batch: row, position: pos });
            const want = await alone.features(coder).at({ position: pos });
            expect(got.map(({ feature }) => feature)).toEqual(want.map(({ feature }) => feature));
            const values = (list: typeof got) => list.map(({ value }) => value);
            expect(relativeError(values(got), values(want))).toBeLessThan(1e-5);
          }
        }
        expect(batch.features(coder).nnz).toBe(total);
      }
    }
    using run = await model.runWithCache(tokens, { names: [], features: [sae] });
    expect(() => run.features(z)).toThrow(/blocks.2.hook_resid_post/);
  });

  test("refuses coders that do not fit the model", async () => {
    using boundary = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.7.hook_resid_post",
      device,
    });
    const layer = await failure(() =>
      model.runWithCache(tokens, { names: [], features: [boundary] }),
    );
    expect(layer.code).toBe("NOT_FOUND");
    using wide = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.1.mlp.hook_post",
      device,
    });
    const width = await failure(() => model.runWithCache(tokens, { names: [], features: [wide] }));
    expect(width.code).toBe("SHAPE");
    expect(width.message).toContain("width 64");
  });
});
