import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  HookedTransformer,
  patch,
  project,
  readout,
  SAE,
  steer,
  type Tensor,
  Transcoder,
  tensor,
} from "../../lib/index.js";
import { bundled } from "../support/bundled.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";

// Tests the tokens that a direction promotes.
describe.each(["tiny-gemma2", "tiny-gemma3"] as const)("%s", (folder) => {
  const prompt = new Oracle<never>(folder, "reading").prompt("p10");
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
  });
  afterAll(() => model.dispose());

  /** A weight in float64, row by row. */
  const matrix = async (name: string, columns: number) => {
    using wide = model.weight(name).to("float64");
    const values = await wide.read("float64");
    return Array.from({ length: values.length / columns }, (_, i) =>
      values.subarray(i * columns, (i + 1) * columns),
    );
  };
  const times = (x: ArrayLike<number>, rows: Float64Array[]) =>
    Array.from(rows[0] ?? [], (_, column) =>
      rows.reduce((sum, row, i) => sum + (x[i] ?? 0) * (row[column] as number), 0),
    );
  const gained = (x: readonly number[], gain: Float64Array | undefined) =>
    x.map((value, i) => value * (gain?.[i] as number));

  test.each([
    // The hook of a direction, and its path into the residual stream of block 2.
    ["hook_embed", 1, "", ""],
    ["blocks.2.hook_resid_pre", 1, "", ""],
    ["blocks.2.hook_resid_mid", 1, "", ""],
    ["blocks.2.hook_resid_post", 1, "", ""],
    ["blocks.2.hook_attn_out", 1, "", ""],
    ["blocks.2.hook_mlp_out", 1, "", ""],
    ["blocks.2.ln2_post.hook_out", 1, "", ""],
    ["blocks.2.attn.hook_z", "heads", "attn.W_O", "ln1_post"],
    ["blocks.2.attn.hook_out", 1, "", "ln1_post"],
    ["blocks.2.attn.hook_result", 1, "", "ln1_post"],
    ["blocks.2.ln1_post.hook_normalized", 1, "", "ln1_post"],
    ["blocks.2.mlp.hook_post", "neurons", "mlp.W_out", "ln2_post"],
    ["blocks.2.mlp.hook_out", 1, "", "ln2_post"],
    ["ln_final.hook_normalized", 1, "", ""],
    ["unembed.hook_in", 1, "", "none"],
  ])("a vector at %s reads out as W_U·(d ⊙ (1 + w))", async (hook, size, product, norm) => {
    const { dModel, dVocab, dMlp, nHeads, dHead } = model.cfg;
    const width = size === "heads" ? nHeads * dHead : size === "neurons" ? dMlp : dModel;
    const numbers = Float32Array.from({ length: width }, (_, i) => Math.sin(i * i + 1));
    let wanted = Array.from(numbers);
    if (product) wanted = times(wanted, await matrix(`blocks.2.${product}`, dModel));
    if (norm.startsWith("ln")) {
      wanted = gained(wanted, (await matrix(`blocks.2.${norm}.w`, dModel))[0]);
    }
    const [gain] = await matrix("ln_final.w", dModel);
    const unembedding = await matrix("W_U", dVocab);
    using vector = tensor(numbers, { device });
    for (const options of [{}, { gain: true }, { gain: false }] as const) {
      const folded = !("gain" in options && !options.gain) && norm !== "none";
      const logits = times(folded ? gained(wanted, gain) : wanted, unembedding);
      const { top, bottom, targets } = await readout(model, vector, {
        topK: 4,
        target: { logitDiff: [5, 90] },
        hook,
        ...options,
      });
      const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
      expect(top.map(({ token }) => token)).toEqual(order.slice(0, 4));
      expect(bottom.map(({ token }) => token)).toEqual(order.slice(-4).reverse());
      const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
      for (const score of [...top, ...bottom, ...targets]) {
        const logit = logits[score.token] as number;
        expect(score.logit).toBeCloseTo(logit, 4);
        expect(score.logprob).toBeCloseTo(logit - total, 4);
      }
      expect(targets.map(({ rank }) => rank)).toEqual([order.indexOf(5), order.indexOf(90)]);
    }
  });

  test("refuses a direction that the model only reads, or that has several hooks", async () => {
    const { dModel } = model.cfg;
    using vector = tensor(new Float32Array(dModel).fill(1), { device });
    for (const hook of [
      ...["ln2.hook_normalized", "mlp.hook_in", "attn.hook_in", "attn.hook_q", "attn.hook_v"],
      ...["mlp.hook_pre", "attn.hook_pattern", "ln1.hook_scale"],
    ]) {
      const error = await failure(() => readout(model, vector, { hook: `blocks.2.${hook}` }));
      expect(error, hook).toMatchObject({ code: "HOOK", fields: { got: `blocks.2.${hook}` } });
    }
    const wrong = () => readout(model, vector, { hook: "blocks.2.attn.hook_z" });
    expect(await failure(wrong)).toMatchObject({ code: "SHAPE" });
    expect(
      await failure(() => readout(model, vector, { hook: "blocks.99.hook_resid_pre" })),
    ).toMatchObject({ code: "NOT_FOUND" });
    const both = () => readout(model, vector, { gain: false, finalNorm: true });
    expect(await failure(both)).toMatchObject({ code: "ARGUMENT" });
  });

  test("equals the logits with norm and cap of the last residual stream", async () => {
    const last = `blocks.${model.cfg.nLayers - 1}.hook_resid_post`;
    using run = await model.runWithCache(prompt, { names: [last] });
    const stream: Tensor = run.cache.get(last);
    using vector = stream.select(0, 0).select(0, -1);
    const read = await readout(model, vector, { topK: 3, finalNorm: true, softCap: true });
    using logits = run.logits.select(0, 0).select(0, -1).clone();
    const values = await logits.read("float64");
    const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
    expect(read.top.map(({ token }) => token)).toEqual(order.slice(0, 3));
    expect(read.bottom.map(({ token }) => token)).toEqual(order.slice(-3).reverse());
    for (const { token, logit } of [...read.top, ...read.bottom]) {
      expect(logit).toBeCloseTo(values[token] as number, 4);
    }
  });

  test("frees its temporaries, and refuses other widths", async () => {
    const before = (await settledMemory()).tensors;
    using vector = tensor(new Float32Array(model.cfg.dModel).fill(1), { device });
    await readout(model, vector);
    expect((await settledMemory()).tensors).toBe(before + 1);
    using wide = tensor(new Float32Array(7), { device });
    expect(await failure(() => readout(model, wide))).toMatchObject({ code: "SHAPE" });
    expect(await failure(() => readout(model, 3 as never))).toMatchObject({ code: "ARGUMENT" });
  });
});

describe("readout of features, and of directions that remember their coder", () => {
  // 4 heads of 32 are as wide as the residual stream, so only the coder's hook distinguishes them.
  let model: HookedTransformer;
  const coders = new Map<string, SAE | Transcoder>();
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" });
    for (const site of ["res", "att", "mlp"] as const) {
      coders.set(site, await SAE.fromFile(bundled(2, site), { device }));
    }
    coders.set("transcoders", await Transcoder.fromFile(bundled(2, "transcoders"), { device }));
  });
  afterAll(async () => {
    for (const coder of coders.values()) coder.dispose();
    await model?.dispose();
  });
  const coderOf = (site: string) => coders.get(site) as SAE;

  test.each(["res", "att", "mlp", "transcoders"])("%s", async (site) => {
    const coder = coderOf(site);
    const { dModel } = model.cfg;
    expect(coder.cfg.dOut).toBe(dModel);
    using row = coder.direction(11);
    const numbers = await row.read("float64");
    let written = Array.from(numbers, Number);
    if (site === "att") {
      using output = model.weight("blocks.2.attn.W_O").to("float64");
      using gain = model.weight("blocks.2.ln1_post.w").to("float64");
      const [w, g] = [await output.read("float64"), await gain.read("float64")];
      written = written.map((_, d) =>
        numbers.reduce((sum, x, i) => sum + Number(x) * (w[i * dModel + d] as number), 0),
      );
      written = written.map((x, d) => x * (g[d] as number));
    }
    using plain = tensor(Float32Array.from(written), { device });
    const want = await readout(model, plain);
    const got = await readout(model, coder.feature(11));
    expect(got.top.map(({ token }) => token)).toEqual(want.top.map(({ token }) => token));
    expect(got.bottom.map(({ token }) => token)).toEqual(want.bottom.map(({ token }) => token));
    for (const [i, { logit }] of got.top.entries()) {
      expect(logit).toBeCloseTo(want.top[i]?.logit as number, 4);
    }
    expect(await readout(model, row)).toEqual(got);
    using moved = row.to("float32");
    expect(await readout(model, moved)).toEqual(got);
    using bare = tensor(Float32Array.from(numbers, Number), { device });
    const { hookNameOut: hook } = coder.cfg;
    expect(await readout(model, bare, { hook })).toEqual(got);
  });

  test("refuses a direction in another space, unless unchecked", async () => {
    const attention = coderOf("att").direction(3);
    const encoder = coderOf("transcoders").direction(3, "encoder");
    const resid = "blocks.2.hook_resid_post";
    // A parameter's rows and columns are directions, too.
    const rows = coderOf("att").W_dec.select(0, 3);
    const columns = coderOf("transcoders").W_enc.transpose(0, 1).index(0, [3]).squeeze();
    const bias = coderOf("att").b_dec;
    for (const vector of [attention, encoder, rows, columns, bias]) {
      for (const call of [
        () => steer({ hook: resid, vector }, 3),
        () => project(resid, vector),
        () => project("blocks.1.attn.hook_z", vector),
        () => readout(model, vector, { hook: resid }),
      ]) {
        const error = await failure(async () => call());
        expect(error).toMatchObject({ code: "HOOK" });
        expect(error.message).toContain("{unchecked: true}");
      }
      const unchecked = { unchecked: true };
      expect(steer({ hook: resid, vector }, 3, unchecked)).not.toHaveProperty("unchecked");
      expect(project(resid, vector, unchecked).hook).toBe(resid);
      await readout(model, vector, { hook: resid, ...unchecked });
    }
    const steered = await failure(() => readout(model, coderOf("att").feature(3), { hook: resid }));
    expect(steered).toMatchObject({ code: "HOOK" });
    expect(await readout(model, rows)).toEqual(await readout(model, attention));
    // No module writes the input direction of a transcoder.
    expect(await failure(() => readout(model, encoder))).toMatchObject({ code: "HOOK" });
    // A direction keeps its meaning at other layers of the residual stream.
    const residual = coderOf("res").direction(3);
    for (const hook of ["blocks.0.hook_resid_pre", "blocks.3.hook_mlp_out"] as const) {
      expect(steer({ hook, vector: residual }, 1).target).toMatchObject({ hook });
    }
    using run = await model.runWithCache("One day", { names: ["blocks.1.attn.hook_z"] });
    const z = run.cache.get("blocks.1.attn.hook_z");
    const patched = await failure(async () => patch("blocks.2.attn.hook_z", z as never));
    expect(patched).toMatchObject({ code: "HOOK" });
    expect(patch("blocks.2.attn.hook_z", z as never, { unchecked: true }).type).toBe("patch");
  });
});
