import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  attribute,
  HookedTransformer,
  logitLens,
  SAE,
  steer,
  Transcoder,
} from "../../lib/index.js";
import { bundled, heldOut } from "../support/bundled.js";
import { relativeError } from "../support/compare.js";

// Compares the bundled model on both devices. It is larger than the oracles' models.
const texts = heldOut(0, 6);
const devices = ["cpu", "cuda"] as const;

interface Side {
  readonly model: HookedTransformer;
  readonly sae: SAE;
  readonly transcoder: Transcoder;
}

let sides: Side[];
beforeAll(async () => {
  sides = await Promise.all(
    devices.map(async (device) => ({
      model: await HookedTransformer.fromPretrained("tiny", { device, dtype: "float32" }),
      sae: await SAE.fromFile(bundled(2), { device }),
      transcoder: await Transcoder.fromFile(bundled(1, "transcoders"), { device }),
    })),
  );
});
afterAll(async () => {
  for (const { model, sae, transcoder } of sides) {
    sae.dispose();
    transcoder.dispose();
    await model.dispose();
  }
});

/** The values of `read` on the CPU and on the GPU. */
async function both<T>(read: (side: Side) => Promise<T>): Promise<[T, T]> {
  return [await read(sides[0] as Side), await read(sides[1] as Side)];
}

function expectAlike(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-4): void {
  expect(relativeError(got, want)).toBeLessThan(tolerance);
}

describe("float32 on the GPU matches the CPU in", () => {
  test("logits and loss of a padded batch", async () => {
    const [want, got] = await both(async ({ model }) => {
      using logits = await model.forward(texts);
      return { logits: await logits.read("float32"), loss: await model.loss(texts) };
    });
    expectAlike(got.logits, want.logits);
    expect(Math.abs(Number(got.loss) - Number(want.loss))).toBeLessThan(1e-4);
  });

  test("features, except those within tolerance of their threshold", async () => {
    const [want, got] = await both(async ({ model, sae }) => {
      using run = await model.runWithCache(texts, { names: [], features: [sae], logits: false });
      return run.features(sae).read();
    });
    const entries = ({ indptr, indices, values }: typeof want) => {
      const out = new Map<string, number>();
      for (let row = 0; row + 1 < indptr.length; row++) {
        for (let i = indptr[row] as number; i < (indptr[row + 1] as number); i++) {
          out.set(`${row} ${indices[i]}`, values[i] as number);
        }
      }
      return out;
    };
    const a = entries(want);
    const b = entries(got);
    const differing = [...a.keys(), ...b.keys()].filter((key) => !(a.has(key) && b.has(key)));
    expect(differing.length).toBeLessThanOrEqual(Math.ceil(a.size / 1000));
    const common = [...a.keys()].filter((key) => b.has(key));
    expectAlike(
      common.map((key) => b.get(key) as number),
      common.map((key) => a.get(key) as number),
    );
  });

  test("reconstructions through a spliced transcoder and SAE", async () => {
    const [want, got] = await both(async ({ model, sae, transcoder }) => {
      const coders = [
        { coder: sae, errorTerm: false },
        { coder: transcoder, errorTerm: false },
      ];
      using logits = await model.forward(texts[0] as string, { coders });
      return logits.read("float32");
    });
    expectAlike(got, want, 2e-3);
  });

  test("interventions, and greedy generation with them", async () => {
    const [want, got] = await both(async ({ model, sae }) => {
      const interventions = [ablate(sae.feature(3)), steer(sae.feature(40), 4)];
      using logits = await model.forward(texts[1] as string, { interventions });
      const options = { interventions, temperature: 0, maxNewTokens: 24 };
      return {
        logits: await logits.read("float32"),
        text: await model.generate("One sunny day, Lily", options).text(),
      };
    });
    expectAlike(got.logits, want.logits);
    expect(got.text).toBe(want.text);
  });

  test("draws of one seed", async () => {
    const [want, got] = await both(({ model }) =>
      model.generate("One sunny day", { seed: 11, maxNewTokens: 24 }).text(),
    );
    expect(got).toBe(want);
  });

  test("attribution and the logit lens", async () => {
    const [want, got] = await both(async ({ model, sae }) => {
      const text = "Leo lives in Osaka. He speaks";
      const target = { logitDiff: [" Japanese", " German"] } as const;
      const found = await attribute(model, text, { target, through: [sae], topK: 5 });
      using run = await model.runWithCache(text, {
        names: (hook) => hook.endsWith("hook_resid_post"),
      });
      const lens = await logitLens(model, run.cache, { topK: 3 });
      return {
        found: found.map(({ feature, position, effect }) => ({ feature, position, effect })),
        tops: lens.map(({ top }) => top.map(({ token }) => token)),
        logprobs: lens.flatMap(({ top }) => top.map(({ logprob }) => logprob)),
      };
    });
    expect(got.found.map(({ feature, position }) => [feature, position])).toEqual(
      want.found.map(({ feature, position }) => [feature, position]),
    );
    expectAlike(
      got.found.map(({ effect }) => effect),
      want.found.map(({ effect }) => effect),
      1e-3,
    );
    expect(got.tops).toEqual(want.tops);
    expectAlike(got.logprobs, want.logprobs);
  });
});
