import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  activationPatching,
  attributionPatching,
  HookedTransformer,
  type Metric,
  memory,
  type PatchingGrid,
  patch,
  tidy,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { Oracle } from "../support/oracle.js";

interface PatchingCase {
  readonly name: string;
  readonly prompt: string;
  readonly corrupt: string;
  readonly target: { readonly logitDiff: [number, number] };
  readonly clean: number;
  readonly corruptValue: number;
  readonly exact: Readonly<Record<"resid_pre" | "attn_out" | "mlp_out" | "heads", string>>;
  readonly estimate: Readonly<Record<"resid_pre" | "attn_out" | "mlp_out" | "heads", string>>;
}

const sites = ["resid_pre", "attn_out", "mlp_out"] as const;

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (folder) => {
  const oracle = new Oracle<PatchingCase>(folder, "attribution");
  const entry = oracle.cases.find(({ name }) => name === "patching") as PatchingCase;
  const pair = {
    clean: oracle.prompt(entry.prompt),
    corrupt: oracle.prompt(entry.corrupt),
    target: entry.target,
  };
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(folder), { device });
    await oracle.load();
  });
  afterAll(async () => {
    oracle.dispose();
    await model.dispose();
  });

  describe.each([
    ["activationPatching", activationPatching, "exact"],
    ["attributionPatching", attributionPatching, "estimate"],
  ] as const)("%s", (_name, run, key) => {
    test("matches transformers", async () => {
      const grid = await run(model, { ...pair, over: { points: sites }, batchSize: 7 });
      const { nLayers } = model.cfg;
      expect(grid.shape).toEqual([3, nLayers, pair.clean.length, 1]);
      expect(grid.clean).toBeCloseTo(entry.clean, 4);
      expect(grid.corrupt).toBeCloseTo(entry.corruptValue, 4);
      const cells = nLayers * pair.clean.length;
      for (const [i, site] of sites.entries()) {
        const mine = grid.values.subarray(i * cells, (i + 1) * cells);
        const golden = oracle.golden(entry[key][site]).data;
        // The golden of attributionPatching has only the change.
        const want = key === "exact" ? golden : golden.map((x) => x + entry.corruptValue);
        expect(relativeError(mine, want), site).toBeLessThan(1e-4);
      }
    });

    test("matches transformers head by head", async () => {
      const over = { points: "z", positions: "all-at-once", heads: true } as const;
      const grid = await run(model, { ...pair, over });
      expect(grid.shape).toEqual([1, model.cfg.nLayers, 1, model.cfg.nHeads]);
      const golden = oracle.golden(entry[key].heads).data;
      const want = key === "exact" ? golden : golden.map((x) => x + entry.corruptValue);
      expect(relativeError(grid.values, want)).toBeLessThan(1e-4);
    });

    test("accepts a metric as the target", async () => {
      const [more, less] = entry.target.logitDiff;
      const metric: Metric = (logits) => {
        const last = logits.select(1, -1).select(0, 0);
        return last.select(0, more).sub(last.select(0, less));
      };
      const { target, ...prompts } = pair;
      const over = {
        points: ["resid_pre", "mlp_out"],
        layers: [1, -1],
        positions: [3, -1],
      } as const;
      const named = await run(model, { ...prompts, target, over });
      const own = await run(model, { ...prompts, metric, over });
      expect(relativeError(own.values, named.values)).toBeLessThan(1e-4);
      expect(own.layers).toEqual([1, model.cfg.nLayers - 1]);
      expect(own.positions).toEqual([3, 9]);
    });

    test("noising swaps the prompts", async () => {
      const over = { points: "attn_out" } as const;
      const noising = await run(model, { ...pair, over, direction: "noising" });
      const swapped = await run(model, {
        clean: pair.corrupt,
        corrupt: pair.clean,
        target: pair.target,
        over,
      });
      expect([...noising.values]).toEqual([...swapped.values]);
      expect(noising.clean).toBe(swapped.corrupt);
      const cell = { layer: 1, position: 4 };
      expect(noising.at(cell).share).toBeCloseTo(swapped.at(cell).share, 6);
    });

    test("leaves no tensor alive", async () => {
      const over = { points: ["resid_mid", "pattern"], layers: [0] } as const;
      await run(model, { ...pair, over });
      const before = await settledMemory();
      await run(model, { ...pair, over });
      expect(await failure(() => run(model, { ...pair, over, metric: (l) => l }))).toBeDefined();
      expect(memory().tensors).toBe(before.tensors);
      expect(memory().handles).toBe(before.handles);
    });
  });

  test("each cell equals a run with only that patch", async () => {
    const over = { points: ["attn_scores", "pattern"], heads: [0, 2], positions: [2, 9] } as const;
    const grid = await activationPatching(model, { ...pair, over });
    const names = [1, 2].map((layer) => `blocks.${layer}.attn.hook_pattern`);
    using clean = await model.runWithCache(pair.clean, { names, logits: false });
    const [more, less] = entry.target.logitDiff;
    for (const layer of [1, 2]) {
      for (const position of [2, 9]) {
        for (const head of [0, 2]) {
          const change = patch(`blocks.${layer}.attn.hook_pattern`, clean.cache, {
            positions: position,
            heads: head,
          });
          using logits = await model.forward(pair.corrupt, {
            interventions: [change],
            positions: [-1],
          });
          const want = tidy(() => {
            const of = (token: number) => logits.select(2, token).item() as number;
            return of(more) - of(less);
          });
          const cell = { point: "pattern", layer, position, head };
          expect(grid.at(cell).value).toBeCloseTo(want, 4);
        }
      }
    }
  });

  test("patching the whole first residual stream gives the other prompt", async () => {
    const over = { points: "resid_pre", layers: [0], positions: "all-at-once" } as const;
    const grid = await activationPatching(model, { ...pair, over });
    const { value, effect, share } = grid.at({ layer: 0 });
    expect(value).toBeCloseTo(entry.clean, 4);
    expect(effect).toBeCloseTo(entry.clean - entry.corruptValue, 4);
    expect(share).toBeCloseTo(1, 4);
  });

  test("the approximation is exact if only the final norm and soft cap follow", async () => {
    // Only the final norm and the soft cap follow the final residual stream at the last position.
    const last = model.cfg.nLayers - 1;
    const close = { ...pair, corrupt: [...pair.clean.slice(0, -2), 40, pair.clean.at(-1) ?? 0] };
    const over = { points: "attn_out", layers: [last], positions: [-1] } as const;
    const [exact, estimate] = [
      await activationPatching(model, { ...close, over }),
      await attributionPatching(model, { ...close, over }),
    ];
    const cell = { layer: last, position: 9 };
    const [a, b] = [exact.at(cell).effect, estimate.at(cell).effect];
    expect(Math.sign(a)).toBe(Math.sign(b));
  });

  test("applies coders in both runs", async () => {
    const coders = [{ coder: oracle.coder("skip"), errorTerm: false }];
    const over = { points: "resid_post", positions: [-1] } as const;
    for (const run of [activationPatching, attributionPatching]) {
      const grid: PatchingGrid = await run(model, { ...pair, over, coders });
      using logits = await model.forward(pair.clean, { coders, positions: [-1] });
      const [more, less] = entry.target.logitDiff;
      const value = tidy(() => {
        const of = (token: number) => logits.select(2, token).item() as number;
        return of(more) - of(less);
      });
      expect(grid.clean).toBeCloseTo(value, 4);
    }
  });

  test("stops at its signal, and reports its progress", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const seen: number[] = [];
    const error = await failure(() =>
      activationPatching(model, {
        ...pair,
        over: { points: "resid_pre" },
        batchSize: 4,
        signal: stop.signal,
        onProgress: ({ done, total }) => {
          seen.push(done);
          if (done >= total / 2) stop.abort(reason);
        },
      }),
    );
    expect(error).toBe(reason);
    expect(seen.slice(0, 3)).toEqual([4, 8, 10]);
  });

  test("refuses unsupported arguments", async () => {
    const over = { points: "resid_pre" };
    const wrong: [string, unknown, string][] = [
      ["lengths", { ...pair, corrupt: [2, 5], over }, "ARGUMENT"],
      ["a batch", { ...pair, clean: [pair.clean, pair.clean], over }, "ARGUMENT"],
      ["no target", { clean: pair.clean, corrupt: pair.corrupt, over }, "ARGUMENT"],
      ["both", { ...pair, metric: () => 3, over }, "ARGUMENT"],
      ["no point", { ...pair, over: { points: [] } }, "ARGUMENT"],
      ["a misspelt point", { ...pair, over: { points: "resid_pree" } }, "NOT_FOUND"],
      ["a point outside of blocks", { ...pair, over: { points: "hook_embed" } }, "NOT_FOUND"],
      ["heads of a point without heads", { ...pair, over: { ...over, heads: true } }, "ARGUMENT"],
      ["different heads", { ...pair, over: { points: ["z", "v"], heads: true } }, "ARGUMENT"],
      ["a head out of range", { ...pair, over: { points: "z", heads: [4] } }, "ARGUMENT"],
      ["a layer out of range", { ...pair, over: { ...over, layers: [99] } }, "ARGUMENT"],
      ["a position out of range", { ...pair, over: { ...over, positions: [10] } }, "ARGUMENT"],
      ["an unknown direction", { ...pair, over, direction: "clean" }, "ARGUMENT"],
      ["an unknown option", { ...pair, over, batch: 3 }, "ARGUMENT"],
    ];
    for (const [name, options, code] of wrong) {
      for (const run of [activationPatching, attributionPatching]) {
        const error = await failure(() => run(model, options as never));
        expect(error, name).toMatchObject({ code });
      }
    }
    const grid = await attributionPatching(model, { ...pair, over: { points: "z" } });
    expect(() => grid.at({ layer: 0 })).toThrow(/position/);
    expect(() => grid.at({ layer: 0, position: 1, head: 2 })).toThrow(/head/);
    expect(() => grid.at({ layer: 99, position: 1 })).toThrow(/layer/);
  });
});
