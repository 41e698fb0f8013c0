import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  decomposeResidual,
  decompositionNames,
  directLogitAttribution,
  HookedTransformer,
  logitLens,
  type Tensor,
  tidy,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture, goldensOf, rowsOf } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";

// Compares reads of the residual stream with transformers in float64, and checks that the parts add
// up.
interface LensCase {
  readonly name: "lens";
  readonly topK: number;
  readonly token: number;
  readonly ids: string;
  readonly logits: string;
  readonly logprobs: string;
  readonly targetLogits: string;
  readonly targetRanks: string;
}
interface PartsCase {
  readonly name: "decomposition";
  readonly positions: number[];
  readonly heads: string;
  readonly neurons: { readonly layer: number; readonly position: number; readonly parts: string };
}
interface DirectCase {
  readonly name: "direct";
  readonly tokens: [number, number];
  readonly positions: number[];
  readonly components: string;
  readonly heads: string;
  readonly neurons: string;
  readonly total: string;
}

const grains = ["component", "head", "neuron"] as const;

describe.each(["tiny-gemma2", "tiny-gemma3"] as const)("%s", (folder) => {
  const oracle = new Oracle<LensCase | PartsCase | DirectCase>(folder, "reading");
  const prompt = oracle.prompt("p10");
  const find = <Name extends string>(name: Name) =>
    oracle.cases.find((entry) => entry.name === name) as Extract<
      (typeof oracle.cases)[number],
      { name: Name }
    >;
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
  });
  afterAll(() => model.dispose());

  describe("logitLens", () => {
    test("matches transformers", async () => {
      const entry = find("lens");
      using run = await model.runWithCache(prompt, {
        names: (name) => name.endsWith("hook_resid_post"),
        logits: false,
      });
      const { topK, token } = entry;
      const lens = await logitLens(model, run.cache, { topK, target: { logit: token } });
      expect(lens.map(({ layer, position }) => [layer, position])).toEqual(
        Array.from({ length: model.cfg.nLayers }, (_, layer) =>
          prompt.map((_, position) => [layer, position]),
        ).flat(),
      );
      const tops = lens.flatMap(({ top }) => top);
      expect(tops.map((score) => score.token)).toEqual([...oracle.golden(entry.ids).data]);
      const close = (got: number[], key: string) =>
        expect(relativeError(got, oracle.golden(key).data), key).toBeLessThan(1e-4);
      close(
        tops.map(({ logit }) => logit),
        entry.logits,
      );
      close(
        tops.map(({ logprob }) => logprob),
        entry.logprobs,
      );
      const targets = lens.flatMap(({ targets }) => targets);
      close(
        targets.map(({ logit }) => logit),
        entry.targetLogits,
      );
      expect(targets.map(({ rank }) => rank)).toEqual([...oracle.golden(entry.targetRanks).data]);
      expect(targets.every((score) => score.token === token)).toBe(true);
    });

    test("gives a padded batch the result of each row alone", async () => {
      const rows = rowsOf(goldensOf(folder, "expected_padded"));
      const names = (name: string) => name.endsWith("hook_resid_post");
      const options = { topK: 3, positions: [0, -2], layers: [1, -1], target: { logit: [7] } };
      for (const paddingSide of ["left", "right"] as const) {
        using run = await model.runWithCache(rows, { names, logits: false, paddingSide });
        const lens = await logitLens(model, run.cache, options);
        expect(lens.length).toBe(2 * rows.length * 2);
        for (const [batch, row] of rows.entries()) {
          using alone = await model.runWithCache(row, { names, logits: false });
          const single = await logitLens(model, alone.cache, options);
          const mine = lens.filter((entry) => entry.batch === batch);
          expect(mine.map(({ layer, position }) => [layer, position])).toEqual(
            single.map(({ layer, position }) => [layer, position]),
          );
          for (const [i, entry] of mine.entries()) {
            const other = single[i] as typeof entry;
            expect(entry.top.map(({ token }) => token)).toEqual(
              other.top.map(({ token }) => token),
            );
            expect(
              relativeError(
                [...entry.top, ...entry.targets].map(({ logit }) => logit),
                [...other.top, ...other.targets].map(({ logit }) => logit),
              ),
            ).toBeLessThan(1e-4);
          }
        }
      }
    });

    test("names missing entries of the cache", async () => {
      using run = await model.runWithCache(prompt, {
        names: ["blocks.1.hook_resid_post"],
        logits: false,
      });
      expect((await logitLens(model, run.cache)).length).toBe(prompt.length);
      const missing = await failure(() => logitLens(model, run.cache, { layers: [0] }));
      expect(missing).toMatchObject({ code: "NOT_FOUND" });
      expect(missing.message).toContain("blocks.0.hook_resid_post");
      using other = await model.runWithCache(prompt, { names: ["hook_embed"], logits: false });
      expect(await failure(() => logitLens(model, other.cache))).toMatchObject({
        code: "NOT_FOUND",
      });
      for (const wrong of [
        { layers: [99] },
        { positions: [99] },
        { topK: -1 },
        { target: { logit: 999 } },
        { target: { logit: [5, 999] } },
        { target: { logitDiff: [5] as never } },
        { target: { logit: 5, position: 2 } as never },
        { target: [5] as never },
      ]) {
        const error = await failure(() => logitLens(model, run.cache, wrong));
        expect(error, JSON.stringify(wrong)).toMatchObject({ code: "ARGUMENT" });
      }
    });
  });

  describe("decomposeResidual", () => {
    test("matches transformers, head by head and neuron by neuron", async () => {
      const entry = find("decomposition");
      const names = [...decompositionNames(model, "head"), ...decompositionNames(model, "neuron")];
      using run = await model.runWithCache(prompt, { names, logits: false });
      const heads = await decomposeResidual(model, run.cache, {
        by: "head",
        positions: entry.positions,
      });
      const { nLayers, nHeads, dMlp } = model.cfg;
      const wanted = oracle.golden(entry.heads).data;
      const width = model.cfg.dModel;
      for (const [i, { layer, head }] of heads.components.entries()) {
        if (layer === null || head === undefined) continue;
        using part = heads.stack.select(0, i).select(0, 0);
        const count = entry.positions.length;
        const golden = entry.positions.flatMap((_, p) => {
          const at = ((layer * count + p) * nHeads + head) * width;
          return [...wanted.subarray(at, at + width)];
        });
        expect(relativeError(await part.read("float64"), golden), `L${layer}H${head}`).toBeLessThan(
          1e-4,
        );
      }
      expect(heads.components.filter(({ head }) => head !== undefined).length).toBe(
        nLayers * nHeads,
      );
      const { layer, position, parts } = entry.neurons;
      const neurons = await decomposeResidual(model, run.cache, {
        by: "neuron",
        positions: [position],
      });
      const first = neurons.components.findIndex(({ label }) => label === `L${layer}N0`);
      using block = neurons.stack.slice(0, first, first + dMlp);
      expect(relativeError(await block.read("float64"), oracle.golden(parts).data)).toBeLessThan(
        1e-4,
      );
      heads.stack.dispose();
      neurons.stack.dispose();
    });

    test.each(grains)("by %s adds up to the residual stream at every layer", async (by) => {
      const { nLayers } = model.cfg;
      const streams = Array.from({ length: nLayers }, (_, i) => `blocks.${i}.hook_resid_pre`);
      const last = `blocks.${nLayers - 1}.hook_resid_post`;
      const names = [...decompositionNames(model, by), ...streams, last];
      using run = await model.runWithCache(prompt, { names, logits: false });
      for (const [layer, name] of [...streams, last].entries()) {
        const { stack, components } = await decomposeResidual(model, run.cache, { by, layer });
        expect(stack.shape).toEqual([components.length, 1, prompt.length, model.cfg.dModel]);
        using sum = stack.sum({ dim: 0 });
        const stream: Tensor = run.cache.get(name);
        const error = relativeError(await sum.read("float64"), await stream.read("float64"));
        expect(error, name).toBeLessThan(1e-5);
        stack.dispose();
      }
    });

    test("heads and neurons add up to their sublayer's output", async () => {
      const outputs = ["blocks.1.hook_attn_out", "blocks.1.hook_mlp_out"] as const;
      const names = [...decompositionNames(model, "head"), ...decompositionNames(model, "neuron")];
      using run = await model.runWithCache(prompt, { names: [...names, ...outputs] });
      for (const [i, by] of (["head", "neuron"] as const).entries()) {
        const { components, stack } = await decomposeResidual(model, run.cache, { by });
        const mine = components.flatMap(({ layer, head, neuron }, at) =>
          layer === 1 && (head ?? neuron) !== undefined ? [at] : [],
        );
        using sum = stack.index(0, mine).sum({ dim: 0 });
        const output: Tensor = run.cache.get(outputs[i] as string);
        expect(relativeError(await sum.read("float32"), await output.read("float32"))).toBeLessThan(
          1e-5,
        );
        stack.dispose();
      }
    });

    test("counts positions within each row of a padded batch", async () => {
      const rows = rowsOf(goldensOf(folder, "expected_padded"));
      const names = decompositionNames(model, "head");
      using run = await model.runWithCache(rows, { names, logits: false, paddingSide: "left" });
      const options = { by: "head", positions: [1, -1] } as const;
      const together = await decomposeResidual(model, run.cache, options);
      for (const [batch, row] of rows.entries()) {
        using alone = await model.runWithCache(row, { names, logits: false });
        const single = await decomposeResidual(model, alone.cache, options);
        using mine = together.stack.select(1, batch);
        expect(
          relativeError(await mine.read("float32"), await single.stack.read("float32")),
        ).toBeLessThan(1e-4);
        single.stack.dispose();
      }
      together.stack.dispose();
    });

    test("needs exactly the names of decompositionNames, and names a missing one", async () => {
      for (const by of grains) {
        const names = decompositionNames(model, by, 2);
        expect(names.some((name) => name.startsWith("blocks.2."))).toBe(false);
        for (const dropped of names) {
          const kept = names.filter((name) => name !== dropped);
          using run = await model.runWithCache(prompt, { names: kept, logits: false });
          const error = await failure(() => decomposeResidual(model, run.cache, { by, layer: 2 }));
          expect(error).toMatchObject({ code: "NOT_FOUND", fields: { name: dropped } });
        }
      }
      expect(await failure(() => decompositionNames(model, "heads" as never))).toMatchObject({
        code: "ARGUMENT",
      });
      expect(await failure(() => decompositionNames(model, "head", 99))).toMatchObject({
        code: "ARGUMENT",
      });
    });
  });

  describe("directLogitAttribution", () => {
    test.each(grains)("by %s matches transformers", async (by) => {
      const entry = find("direct");
      using run = await model.runWithCache(prompt, { names: decompositionNames(model, by) });
      const { nLayers, nHeads, dMlp } = model.cfg;
      for (const [t, token] of entry.tokens.entries()) {
        for (const [p, position] of entry.positions.entries()) {
          const effects = await directLogitAttribution(model, run.cache, {
            target: { logit: token, position },
            by,
          });
          const total = effects.reduce((sum, { effect }) => sum + effect, 0);
          const at = t * entry.positions.length + p;
          expect(total).toBeCloseTo(oracle.golden(entry.total).data[at] as number, 4);
          const [key, mine] = {
            component: ["components", effects] as const,
            head: ["heads", effects.filter(({ head }) => head !== undefined)] as const,
            neuron: ["neurons", effects.filter(({ neuron }) => neuron !== undefined)] as const,
          }[by];
          const count = {
            component: 1 + 2 * nLayers,
            head: nLayers * nHeads,
            neuron: nLayers * dMlp,
          }[by];
          expect(mine.length).toBe(count);
          const golden = oracle.golden(entry[key]).data.subarray(at * count, (at + 1) * count);
          expect(
            relativeError(
              mine.map(({ effect }) => effect),
              golden,
            ),
          ).toBeLessThan(1e-4);
        }
      }
    });

    test.each(grains)("by %s adds up to the logit before the soft cap", async (by) => {
      const rows = rowsOf(goldensOf(folder, "expected_padded"));
      const names = [...decompositionNames(model, by), "unembed.hook_out"];
      using run = await model.runWithCache(rows, { names, paddingSide: "left" });
      const logits: Tensor = run.cache.get("unembed.hook_out");
      for (const [batch, row] of rows.entries()) {
        const column = (logits.shape[1] as number) - row.length + 3;
        const at = (token: number) =>
          tidy(() => logits.select(0, batch).select(0, column).select(0, token).item() as number);
        for (const target of [{ logit: 9 }, { logitDiff: [9, 70] as const }]) {
          const effects = await directLogitAttribution(model, run.cache, {
            target: { ...target, position: 3, batch },
            by,
          });
          const want = at(9) - ("logitDiff" in target ? at(70) : 0);
          const scale = Math.max(1, Math.abs(want));
          const sum = effects.reduce((total, { effect }) => total + effect, 0);
          expect(Math.abs(sum - want) / scale).toBeLessThan(1e-4);
        }
      }
    });

    test("refuses ambiguous arguments", async () => {
      using one = await model.runWithCache(prompt, { names: decompositionNames(model) });
      using two = await model.runWithCache([prompt, prompt], { names: decompositionNames(model) });
      const wrong: [typeof one, Parameters<typeof directLogitAttribution>[2]][] = [
        [one, {} as never],
        [one, { target: { logit: 3, logitDiff: [3, 4] } }],
        [one, { target: { loss: true } as never }],
        [one, { target: { logit: 128 } }],
        [one, { target: { logit: 3, position: 10 } }],
        [one, { target: { logit: 3, batch: 1 } }],
        [one, { target: { logit: 3, batch: [0] as never } }],
        [two, { target: { logit: 3 } }],
      ];
      for (const [run, options] of wrong) {
        const error = await failure(() => directLogitAttribution(model, run.cache, options));
        expect(error, JSON.stringify(options)).toMatchObject({ code: "ARGUMENT" });
      }
    });
  });
});
