import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, type Tensor } from "../../lib/index.js";
import { device, expectClose, relativeError } from "../support/compare.js";
import { fixture, goldensOf, hookGoldens, ids, rowsOf } from "../support/fixtures.js";
import { type Golden, need } from "../support/safetensors.js";

const tolerance = 1e-4;

/** q and k norms have the heads first in the goldens, as transformers calls them. */
function headsSecond(golden: Golden): Golden {
  const [batch, heads, pos, width] = golden.shape as [number, number, number, number];
  const data = new Float32Array(golden.data.length);
  for (let h = 0; h < heads; h++) {
    for (let p = 0; p < pos; p++) {
      for (let i = 0; i < width; i++) {
        data[(p * heads + h) * width + i] = golden.data[(h * pos + p) * width + i] as number;
      }
    }
  }
  return { shape: [batch, pos, heads, width], data };
}

// Copies of the residual stream, which no package has a golden for; they are compared with the
// stream.
const copies: Record<string, string> = {
  hook_attn_in: "hook_resid_pre",
  hook_q_input: "hook_resid_pre",
  hook_k_input: "hook_resid_pre",
  hook_v_input: "hook_resid_pre",
  hook_mlp_in: "hook_resid_mid",
};

describe.each(["tiny-gemma2", "tiny-gemma3"] as const)("%s in float32", (name) => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
  });
  afterAll(() => model.dispose());

  test.each(["s8", "s24"])(
    "gives transformers' logits, residuals and patterns on %s",
    async (prompt) => {
      const golden = goldensOf(name, "expected_hf");
      using run = await model.runWithCache(ids(golden, `${prompt}.tokens`), {
        names: (hook) => /hook_resid_pre$|hook_pattern$/.test(hook),
      });
      await expectClose("logits", run.logits, need(golden, `${prompt}.logits`), tolerance);
      for (let layer = 0; layer < model.cfg.nLayers; layer++) {
        const resid = run.cache.get(`blocks.${layer}.hook_resid_pre`);
        await expectClose(
          `hidden ${layer}`,
          resid,
          need(golden, `${prompt}.hidden.${layer}`),
          tolerance,
        );
        if (name === "tiny-gemma3") continue; // The case has its patterns among the hooks below.
        const pattern = run.cache.get(`blocks.${layer}.attn.hook_pattern`);
        await expectClose(
          `attn ${layer}`,
          pattern,
          need(golden, `${prompt}.attn.${layer}`),
          tolerance,
        );
      }
    },
  );

  test("gives every hook point as TransformerLens and its bridge do", async () => {
    const golden = hookGoldens(name);
    const tokens = ids(golden, "tokens");
    using run = await model.runWithCache(tokens, { names: () => true });
    const unseen = new Set(model.hookNames);
    for (const [hook, value] of golden) {
      if (hook === "tokens" || hook === "logits") continue;
      const want = /\.[qk]_norm\./.test(hook) ? headsSecond(value) : value;
      await expectClose(hook, run.cache.get(hook as string), want, tolerance);
      unseen.delete(hook);
    }
    await expectClose("logits", run.logits, need(golden, "logits"), tolerance);
    for (const hook of unseen) {
      const copied = copies[hook.replace(/^blocks\.\d+\./, "")];
      if (hook.endsWith("norm.hook_in")) continue;
      expect(copied, `${hook} has no golden`).toBeDefined();
      const source = hook.replace(/hook_\w+$/, copied ?? "");
      using got = run.cache.get(hook as string).clone();
      const per = got.ndim === 4 ? got.select(2, got.shape[2]! - 1) : got;
      const want = need(golden, source);
      expect(relativeError(await floats(per), want.data), hook).toBeLessThan(tolerance);
    }
  });

  test("gives the same with some hooks, and with none", async () => {
    const golden = goldensOf(name, "expected_hf");
    using logits = await model.forward(ids(golden, "s24.tokens"));
    await expectClose("logits", logits, need(golden, "s24.logits"), tolerance);
  });

  test("matches transformers beyond its window", async () => {
    const golden = goldensOf(name, "expected_s40");
    using run = await model.runWithCache(ids(golden, "tokens"), {
      names: (hook) => hook.endsWith("hook_resid_post"),
    });
    await expectClose("logits", run.logits, need(golden, "logits"), tolerance);
    for (const [hook, value] of golden) {
      if (hook.startsWith("blocks."))
        await expectClose(hook, run.cache.get(hook as string), value, tolerance);
    }
  });

  test.each(["left", "right"] as const)("padded on the %s equals each row alone", async (side) => {
    const golden = goldensOf(name, "expected_padded");
    const batch = need(golden, `${side}.tokens`);
    const input = {
      ids: Int32Array.from(batch.data),
      shape: batch.shape as [number, number],
      mask: Uint8Array.from(need(golden, `${side}.mask`).data),
    };
    const last = `blocks.${model.cfg.nLayers - 1}.hook_resid_post`;
    using run = await model.runWithCache(input, { names: [last] });
    for (let row = 0; row < batch.shape[0]!; row++) {
      const want = need(golden, `row.${row}.logits`);
      const n = want.shape[1]!;
      const from = side === "left" ? batch.shape[1]! - n : 0;
      using got = run.logits.slice(0, row, row + 1).slice(1, from, from + n);
      await expectClose(`row ${row}`, got, want, tolerance);
      using resid = run.cache
        .get(last)
        .slice(0, row, row + 1)
        .slice(1, from, from + n);
      await expectClose(`row ${row} ${last}`, resid, need(golden, `row.${row}.${last}`), tolerance);
    }
  });

  test("pads rows of different lengths, on either side", async () => {
    const golden = goldensOf(name, "expected_padded");
    const rows = [0, 1, 2].map((row) => [...ids(golden, `row.${row}.tokens`)]);
    for (const paddingSide of ["left", "right"] as const) {
      const tokens = model.toTokens(rows, { paddingSide });
      expect(tokens.shape).toEqual([3, 24]);
      expect([...tokens.mask]).toEqual([...need(golden, `${paddingSide}.mask`).data]);
      using logits = await model.forward(rows, { paddingSide, positions: [0, -1] });
      expect(logits.shape).toEqual([3, 2, model.cfg.dVocab]);
      for (const [row, { length }] of rows.entries()) {
        const want = need(golden, `row.${row}.logits`).data as Float32Array;
        const vocab = model.cfg.dVocab;
        for (const [i, position] of [0, length - 1].entries()) {
          using got = logits.select(0, row).select(0, i);
          const golden = want.subarray(position * vocab, (position + 1) * vocab);
          expect(relativeError(await floats(got), golden)).toBeLessThan(tolerance);
        }
      }
    }
  });

  test("gives the logits of only the requested positions", async () => {
    const golden = goldensOf(name, "expected_hf");
    const tokens = ids(golden, "s24.tokens");
    const want = need(golden, "s24.logits").data as Float32Array;
    const vocab = model.cfg.dVocab;
    using some = await model.forward(tokens, { positions: [-1, 3] });
    const values = await floats(some);
    expect(some.shape).toEqual([1, 2, vocab]);
    expect(relativeError(values.subarray(0, vocab), want.subarray(23 * vocab))).toBeLessThan(
      tolerance,
    );
    expect(relativeError(values.subarray(vocab), want.subarray(3 * vocab, 4 * vocab))).toBeLessThan(
      tolerance,
    );
    using last = await model.runWithCache(tokens, { names: [], logits: "last" });
    expect(last.logits.shape).toEqual([1, 1, vocab]);
    expect(relativeError(await floats(last.logits), want.subarray(23 * vocab))).toBeLessThan(
      tolerance,
    );
  });

  test("stops before a layer, and resumes from there", async () => {
    const golden = goldensOf(name, "expected_hf");
    const tokens = ids(golden, "s24.tokens");
    for (const stopAtLayer of [0, 2, -1]) {
      const layer = stopAtLayer < 0 ? model.cfg.nLayers + stopAtLayer : stopAtLayer;
      using resid = await model.forward(tokens, { stopAtLayer });
      await expectClose(`before ${layer}`, resid, need(golden, `s24.hidden.${layer}`), tolerance);
      using logits = await model.forward(resid, { startAtLayer: layer });
      await expectClose("logits", logits, need(golden, "s24.logits"), tolerance);
    }
    using all = await model.forward(tokens, { stopAtLayer: model.cfg.nLayers });
    const last = `blocks.${model.cfg.nLayers - 1}.hook_resid_post`;
    await expectClose(last, all, need(hookGoldens(name), last), tolerance);
  });

  test("resumes from a padded residual with its mask", async () => {
    const golden = goldensOf(name, "expected_padded");
    const rows = [0, 1, 2].map((row) => [...ids(golden, `row.${row}.tokens`)]);
    const tokens = model.toTokens(rows, { paddingSide: "left" });
    using resid = await model.forward(tokens, { stopAtLayer: 1 });
    using logits = await model.forward(resid, {
      startAtLayer: 1,
      mask: tokens.mask,
      positions: [-1],
    });
    for (const [row, { length }] of rows.entries()) {
      const want = need(golden, `row.${row}.logits`).data as Float32Array;
      using got = logits.select(0, row);
      const tail = want.subarray((length - 1) * model.cfg.dVocab);
      expect(relativeError(await floats(got), tail)).toBeLessThan(tolerance);
    }
  });

  test("gives the loss of each token and their mean", async () => {
    const golden = goldensOf(name, "expected_loss_s24");
    const tokens = ids(golden, "tokens");
    using each = await model.loss(tokens, { perToken: true });
    await expectClose("per token", each, need(golden, "per_token"), tolerance);
    const mean = await model.loss(tokens);
    expect(Math.abs(mean / (need(golden, "mean").data[0] as number) - 1)).toBeLessThan(tolerance);
  });

  test("excludes padding from the loss", async () => {
    const golden = goldensOf(name, "expected_padded");
    const rows = rowsOf(golden);
    const alone = await Promise.all(rows.map((row) => model.loss(row)));
    const weights = rows.map((row) => row.length - 1);
    const total = weights.reduce((sum, n) => sum + n, 0);
    const want = alone.reduce((sum, value, i) => sum + value * weights[i]!, 0) / total;
    for (const paddingSide of ["left", "right"] as const) {
      const mean = await model.loss(rows, { paddingSide });
      expect(Math.abs(mean / want - 1)).toBeLessThan(1e-5);
    }
  });

  test("embeds, norms and unembeds as the forward pass does", async () => {
    const golden = hookGoldens(name);
    const tokens = ids(golden, "tokens");
    using embedded = await model.embed(tokens);
    await expectClose("embed", embedded, need(golden, "hook_embed"), tolerance);
    using resid = await model.forward(tokens, { stopAtLayer: model.cfg.nLayers });
    using normed = await model.finalNorm(resid);
    await expectClose("finalNorm", normed, need(golden, "unembed.hook_in"), tolerance);
    using logits = await model.unembed(normed);
    await expectClose("unembed", logits, need(golden, "logits"), tolerance);
  });

  test("gives weights by TransformerLens' names and shapes", async () => {
    const golden = hookGoldens(name);
    const { nHeads, nKeyValueHeads, dModel, dHead, dMlp, dVocab } = model.cfg;
    const shapes: Record<string, number[]> = {
      W_Q: [nHeads, dModel, dHead],
      W_K: [nHeads, dModel, dHead],
      W_V: [nHeads, dModel, dHead],
      _W_K: [nKeyValueHeads, dModel, dHead],
      _W_V: [nKeyValueHeads, dModel, dHead],
      W_O: [nHeads, dHead, dModel],
    };
    for (const [part, shape] of Object.entries(shapes)) {
      expect(model.weight(`blocks.1.attn.${part}`).shape, part).toEqual(shape);
    }
    expect(model.weight("blocks.1.mlp.W_gate").shape).toEqual([dModel, dMlp]);
    expect(model.weight("blocks.1.mlp.W_out").shape).toEqual([dMlp, dModel]);
    expect(model.weight("W_E").shape).toEqual([dVocab, dModel]);
    expect(model.weight("unembed.W_U").shape).toEqual([dModel, dVocab]);

    // Each weight must map one golden hook to the next.
    using run = await model.runWithCache(ids(golden, "tokens"), { names: () => true });
    const at = (hook: string): Tensor => run.cache.get(`blocks.1.${hook}` as string);
    const same = async (what: string, got: Tensor, hook: string) =>
      expectClose(what, got, need(golden, `blocks.1.${hook}`), tolerance);
    const input = at("attn.hook_in").reshape([24, dModel]);
    for (const [part, hook] of [
      ["W_Q", "attn.hook_q"],
      ["_W_K", "attn.hook_k"],
      ["_W_V", "attn.hook_v"],
    ]) {
      const heads = input.matmul(model.weight(`blocks.1.attn.${part}`));
      await same(part!, heads.permute([1, 0, 2]).unsqueeze(0), hook!);
    }
    const z = at("attn.hook_z").reshape([24, nHeads, dHead]).permute([1, 0, 2]);
    const result = z.matmul(model.weight("blocks.1.attn.W_O")).permute([1, 0, 2]).unsqueeze(0);
    await same("W_O", result, "attn.hook_result");
    const repeated = model.weight("blocks.1.attn.W_K").select(0, nHeads - 1);
    const stored = model.weight("blocks.1.attn._W_K").select(0, nKeyValueHeads - 1);
    expect(repeated.allClose(stored)).toBe(true);
    const mlp = at("mlp.hook_in");
    await same("W_gate", mlp.matmul(model.weight("blocks.1.mlp.W_gate")), "mlp.hook_pre");
    await same("W_in", mlp.matmul(model.weight("blocks.1.mlp.W_in")), "mlp.hook_pre_linear");
    await same(
      "W_out",
      at("mlp.hook_post").matmul(model.weight("blocks.1.mlp.W_out")),
      "mlp.hook_out",
    );
    await same(
      "ln1",
      at("ln1.hook_normalized").mul(model.weight("blocks.1.ln1.w")),
      "attn.hook_in",
    );
    await same("ln2", at("ln2.hook_normalized").mul(model.weight("blocks.1.ln2.w")), "mlp.hook_in");
    const post = at("ln1_post.hook_normalized").mul(model.weight("blocks.1.ln1_post.w"));
    await same("ln1_post", post, "hook_attn_out");
    const unembedded = run.cache.get("unembed.hook_in").matmul(model.weight("W_U"));
    await expectClose("W_U", unembedded, need(golden, "unembed.hook_out"), tolerance);
  });

  test("gives the gains of a float64 model in float64, as the model uses them", async () => {
    const dtype = "float64";
    await using wide = await HookedTransformer.fromPretrained(fixture(name), { device, dtype });
    const names = ["blocks.1.ln1.hook_normalized", "blocks.1.attn.hook_in"] as const;
    using run = await wide.runWithCache([1, 2, 3], { names, logits: false });
    using gain = wide.weight("blocks.1.ln1.w");
    expect(gain.dtype).toBe("float64");
    using scaled = run.cache.get(names[0]).mul(gain);
    using off = scaled.sub(run.cache.get(names[1])).abs();
    expect(Number(off.max().item())).toBeLessThan(1e-14);
  });

  test("refuses to change a weight", () => {
    using weight = model.weight("blocks.0.attn.W_Q");
    expect(() => weight.fill_(0)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
    using norm = model.weight("blocks.0.ln1.w");
    expect(() => norm.fill_(0)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  });
});

describe("checkpoints in the published forms", () => {
  test.each([
    "checkpoints/gemma2-sharded-bf16",
    "checkpoints/gemma2-f16",
    "checkpoints/gemma3-multimodal-hub",
    "checkpoints/gemma3-multimodal-newer",
    "tiny-gemma3-linear-rope",
  ])("%s gives transformers' logits", async (folder) => {
    const golden = goldensOf(folder, "expected");
    await using model = await HookedTransformer.fromPretrained(fixture(folder), {
      device,
      dtype: "float32",
    });
    expect(model.cfg.dtype).toBe("float32");
    using logits = await model.forward(ids(golden, "tokens"));
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });

  test("keeps the file's dtype, but computes float16 in float32 on the CPU", async () => {
    await using bf16 = await HookedTransformer.fromPretrained(
      fixture("checkpoints/gemma2-sharded-bf16"),
      { device },
    );
    expect(bf16.cfg.dtype).toBe("bfloat16");
    if (device !== "cpu") return;
    const folder = fixture("checkpoints/gemma2-f16");
    await using f16 = await HookedTransformer.fromPretrained(folder, { device });
    expect(f16.cfg.dtype).toBe("float32");
    const golden = goldensOf("checkpoints/gemma2-f16", "expected");
    using logits = await f16.forward(ids(golden, "tokens"));
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });
});

async function floats(tensor: Tensor): Promise<Float32Array> {
  return tensor.read("float32");
}
