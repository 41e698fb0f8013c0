import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, type SingleSiteCoder, type Tensor } from "../../lib/index.js";
import { type Case, Cases } from "../support/cases.js";
import { expectFeatures } from "../support/coders.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import type { Golden } from "../support/safetensors.js";

/** Compares each row's real positions of a padded result with the row run alone. */
async function expectRows(what: string, got: Tensor, want: readonly Golden[], side: string) {
  const pos = got.shape[1] as number;
  for (const [row, golden] of want.entries()) {
    const length = golden.shape[1] as number;
    const first = side === "left" ? pos - length : 0;
    const mine = got.slice(0, row, row + 1).slice(1, first, first + length);
    expect(
      relativeError(await mine.read("float32"), golden.data),
      `${what}, row ${row}, padded on the ${side}`,
    ).toBeLessThan(1e-4);
  }
}

describe.each(["tiny-gemma2", "tiny-gemma3"])("%s", (name) => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture(name), { device });
  });
  afterAll(() => model.dispose());

  describe.each(["interventions", "splices"])("%s", (file) => {
    const cases = new Cases(name, file);
    beforeAll(() => cases.load(model));
    afterAll(() => cases.dispose());

    test.each(cases.file.cases.map((entry) => [entry.name, entry] as const))(
      "%s matches transformers in float64",
      async (_name, entry: Case) => {
        const rows = cases.prompt(entry);
        const edits = { interventions: cases.interventions(entry), coders: cases.splices(entry) };
        const names = Object.keys(entry.hooks ?? {});
        const read = Object.keys(entry.features ?? {}).map(
          (key): SingleSiteCoder => cases.coder(key),
        );
        for (const paddingSide of rows.length === 1 ? ["right"] : ["right", "left"]) {
          const padded = { paddingSide: paddingSide as "left" | "right" };
          using run = await model.runWithCache(rows, {
            names,
            features: read,
            logits: "all",
            ...edits,
            ...padded,
          });
          await expectRows("logits", run.logits, cases.rows(entry.logits), paddingSide);
          for (const [hook, keys] of Object.entries(entry.hooks ?? {})) {
            await expectRows(hook, run.cache.get(hook), cases.rows(keys), paddingSide);
          }
          for (const [key, golden] of Object.entries(entry.features ?? {})) {
            await expectFeatures(run.features(cases.coder(key)), cases.golden(golden));
          }
          using logits = await model.forward(rows, { ...edits, ...padded });
          expect([...logits.readSync()]).toEqual([...run.logits.readSync()]);
        }
      },
    );
  });
});
