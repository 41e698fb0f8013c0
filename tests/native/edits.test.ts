import { afterAll, beforeAll, expect, test } from "vitest";
import { ablate, clamp, HookedTransformer, memory, SAE, steer } from "../../lib/index.js";
import type { NativeRunRequest } from "../../lib/native/addon.js";
import { native } from "../../lib/native/call.js";
import { fixture } from "../support/fixtures.js";

const hook = "blocks.2.hook_resid_post";
const prompt = [2, 5, 9, 4];

let model: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"));
  sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName: hook });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
});

/**
 * Runs `fn`; returns the edits of each native run in it, and how often interventions were compiled.
 */
async function watch(fn: () => Promise<unknown>) {
  const core = native();
  const { modelRun, editsCreate } = core;
  const edits: NativeRunRequest["edits"][] = [];
  let made = 0;
  core.modelRun = (handle, request, ctx) => {
    edits.push(request.edits);
    return modelRun(handle, request, ctx);
  };
  core.editsCreate = (list) => {
    made++;
    return editsCreate(list);
  };
  try {
    await fn();
  } finally {
    Object.assign(core, { modelRun, editsCreate });
  }
  return { edits, made };
}

/** Runs a generation to its end. */
async function drain(generation: AsyncIterable<unknown>) {
  for await (const token of generation) void token;
}

const options = { maxNewTokens: 5, temperature: 0, stopAtEos: false } as const;

test("a generation compiles its interventions once, and its steps refer to them", async () => {
  using direction = sae.direction(4);
  const interventions = [
    ablate(sae.feature(3), { to: 0.5 }),
    steer({ hook, vector: Float32Array.from(direction.data as Float32Array) }, 2),
    clamp(sae.feature(7), 3, { positions: [1] }),
  ];
  const { handles } = memory();
  const { edits, made } = await watch(() =>
    drain(model.generate([prompt], { ...options, coders: [sae], interventions })),
  );
  expect(made).toBe(1);
  expect(edits).toHaveLength(5);
  expect(new Set(edits.map((entry) => entry?.handle)).size).toBe(1);
  // All rows, all rows, then the clamp's rows: the prompt's second position, and later none.
  expect(edits[0]?.places?.map((place) => place && [...place.rows])).toEqual([null, null, [1]]);
  expect(edits[4]?.places?.map((place) => place && [...place.rows])).toEqual([null, null, []]);
  expect(memory().handles).toBe(handles);
});

test("steps send no rows if interventions act on all of them", async () => {
  const { edits } = await watch(() =>
    drain(model.generate([prompt], { ...options, interventions: [clamp(sae.feature(3), 2)] })),
  );
  expect(edits.map((entry) => Object.keys(entry ?? {}))).toEqual(
    Array.from({ length: 5 }, () => ["handle"]),
  );
});

test("each step gives the same as a run over all tokens so far", async () => {
  const interventions = [
    clamp(sae.feature(7), 3, { positions: { from: 2, to: 6 } }),
    ablate(sae.feature(3), { to: 0.5 }),
    clamp(sae.feature(7), 1, { positions: [5] }),
  ];
  const drawn: number[] = [];
  for await (const { token, logprob } of model.generate([prompt], { ...options, interventions })) {
    const tokens = [...prompt, ...drawn];
    // A single run has only its own positions.
    const here = interventions.slice(0, tokens.length > 5 ? 3 : 2);
    using logits = await model.forward([tokens], { interventions: here, positions: [-1] });
    using logprobs = logits.logSoftmax(-1);
    using best = logits.argmax({ dim: -1 });
    expect(best.item()).toBe(BigInt(token));
    using flat = logprobs.reshape([-1]);
    expect(flat.readSync()[token]).toBeCloseTo(logprob, 4);
    drawn.push(token);
  }
  expect(drawn).toHaveLength(5);
});
