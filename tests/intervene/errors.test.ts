import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ablate,
  clamp,
  freeze,
  HookedTransformer,
  type Intervention,
  memory,
  patch,
  project,
  SAE,
  scale,
  steer,
  Transcoder,
  tensor,
  zeros,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

const at = "blocks.2.hook_resid_post" as const;
const z = "blocks.1.attn.hook_z" as const;
const pattern = "blocks.1.attn.hook_pattern" as const;
const prompt = [2, 107, 122, 85, 84, 55];
const cpu = device as "cpu";
const load = (path: string, options: object) => SAE.fromFile(fixture(path), { device, ...options });

let model: HookedTransformer;
let gemma3: HookedTransformer;
let sae: SAE;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  gemma3 = await HookedTransformer.fromPretrained(fixture("tiny-gemma3"), { device });
  sae = await load("tiny-gemma2/gs1/res/params.npz", { hookName: at });
});
afterAll(async () => {
  sae.dispose();
  await model.dispose();
  await gemma3.dispose();
});

type Loose = (...args: unknown[]) => unknown;
const vector = () => Float32Array.from({ length: 48 }, (_, i) => i + 1);

describe("making an intervention", () => {
  test.each<[string, () => unknown, string, string]>([
    ["a missing feature", () => (ablate as Loose)(7), "ARGUMENT", "a coder's feature, such as"],
    ["nothing", () => (clamp as Loose)(), "ARGUMENT", "got undefined"],
    ["a coder", () => (scale as Loose)(sae, 1), "ARGUMENT", "got an object (SAE)"],
    ["feature 96", () => ablate({ coder: sae, feature: 96 }), "ARGUMENT", "got 96"],
    ["NaN", () => clamp(sae.feature(1), Number.NaN), "ARGUMENT", "value, got NaN"],
    ["no value", () => (clamp as Loose)(sae.feature(1)), "ARGUMENT", "value, got undefined"],
    ["a text", () => (scale as Loose)(sae.feature(1), "2"), "ARGUMENT", 'factor, got "2"'],
    ["Infinity", () => ablate(sae.feature(1), { to: Infinity }), "ARGUMENT", "to, got Infinity"],
    ["an option", () => (ablate as Loose)(sae.feature(1), { too: 1 }), "ARGUMENT", "got too"],
    ["position 0.5", () => ablate(sae.feature(1), { positions: 0.5 }), "ARGUMENT", "got 0.5"],
    [
      "a list with holes",
      () => (ablate as Loose)(sae.feature(1), { positions: [0, undefined] }),
      "ARGUMENT",
      "positions",
    ],
    [
      "a range without a beginning",
      () => (ablate as Loose)(sae.feature(1), { positions: { to: 3 } }),
      "ARGUMENT",
      "positions.from, got undefined",
    ],
    [
      "a range with a step",
      () => (ablate as Loose)(sae.feature(1), { positions: { from: 1, step: 2 } }),
      "ARGUMENT",
      "a key step",
    ],
    ["a negative row", () => ablate(sae.feature(1), { batch: -1 }), "ARGUMENT", "batch, got -1"],
    ["row 0.5", () => ablate(sae.feature(1), { batch: [0, 0.5] }), "ARGUMENT", "batch, got 0.5"],
    ["a missing target", () => (steer as Loose)({ hook: at }, 1), "ARGUMENT", "{hook, vector}"],
    ["an empty vector", () => steer({ hook: at, vector: [] }, 1), "ARGUMENT", "vector, got none"],
    [
      "a vector with NaN",
      () => steer({ hook: at, vector: [1, Number.NaN] }, 1),
      "ARGUMENT",
      "NaN at 1",
    ],
    ["an invalid vector", () => (project as Loose)(at, "up"), "ARGUMENT", 'vector, got "up"'],
    ["a zero direction", () => project(at, new Float32Array(48)), "ARGUMENT", "zeros only"],
    [
      "a cap along a zero vector",
      () => steer({ hook: at, vector: [0] }, 1, { cap: 1 }),
      "ARGUMENT",
      "zeros only",
    ],
    ["a missing strength", () => (steer as Loose)(sae.feature(1)), "ARGUMENT", "coefficient"],
    [
      "an infinite strength without a cap",
      () => steer(sae.feature(1), Infinity),
      "ARGUMENT",
      "needs a cap",
    ],
    ["a cap of NaN", () => steer(sae.feature(1), 1, { cap: Number.NaN }), "ARGUMENT", "cap"],
    [
      "a misspelt hook",
      () => (steer as Loose)({ hook: "blocks.2.hook_resid_pst", vector: vector() }, 1),
      "NOT_FOUND",
      "blocks.2.hook_resid_post",
    ],
    ["a missing hook", () => (project as Loose)(3, vector()), "ARGUMENT", "hook's name"],
    ["no source", () => (patch as Loose)(at, 7), "ARGUMENT", "the cache of a run, or a Tensor"],
    ["no heads", () => patch(z, zeros([1, 1, 4, 16]), { heads: [] }), "ARGUMENT", "heads"],
    ["head 1.5", () => patch(z, zeros([1, 1, 4, 16]), { heads: 1.5 }), "ARGUMENT", "heads"],
    ["a missing cache", () => (freeze as Loose)([at], 7), "ARGUMENT", "the cache of a run"],
    ["points without a cache", () => (freeze as Loose)(at, 7), "ARGUMENT", "cache"],
  ])("refuses %s and says what is wrong", async (_name, make, code, message) => {
    const error = await failure(make);
    expect(error.code, error.message).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^(ablate|clamp|scale|steer|project|patch|freeze): expected /);
  });

  test("refuses disposed arguments", async () => {
    const gone = tensor([1, 2]);
    gone.dispose();
    expect((await failure(() => project(at, gone))).code).toBe("DISPOSED");
    expect((await failure(() => patch(at, gone))).code).toBe("DISPOSED");
    const run = await model.runWithCache(prompt, { names: [at], logits: false });
    run.dispose();
    expect((await failure(() => patch(at, run.cache))).code).toBe("DISPOSED");
  });

  test("refuses a hook that the cache does not have", async () => {
    using run = await model.runWithCache(prompt, { names: [at], logits: false });
    const error = await failure(() => (patch as Loose)("blocks.1.hook_mlp_out", run.cache));
    expect(error.code).toBe("NOT_FOUND");
  });
});

describe("running an intervention", () => {
  async function refused(
    code: string,
    message: string,
    options: { interventions?: unknown; coders?: unknown; stopAtLayer?: number },
    input: unknown = prompt,
  ): Promise<void> {
    const before = (await settledMemory()).handles;
    const run = () => (model.forward as Loose)(input, options) as Promise<unknown>;
    const error = await failure(run);
    expect(error.code, error.message).toBe(code);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^forward: /);
    expect(memory().handles).toBe(before);
  }
  const intervention = (entry: unknown) => ({ interventions: [entry] });

  test("refuses values that are not interventions", async () => {
    await refused("ARGUMENT", "an array of interventions", {
      interventions: ablate(sae.feature(1)),
    });
    await refused("ARGUMENT", "interventions[0], got 7", intervention(7));
    await refused(
      "ARGUMENT",
      'interventions[0], got "suppress"',
      intervention({ type: "suppress" }),
    );
    await refused("ARGUMENT", "interventions[0]: expected a coder's feature", {
      interventions: [{ type: "ablate", to: 0 }],
    });
    await refused(
      "ARGUMENT",
      "value, got undefined",
      intervention({ type: "clamp", target: sae.feature(2) }),
    );
    await refused(
      "ARGUMENT",
      "a Float32Array",
      intervention({ type: "project", hook: at, vector: [1] }),
    );
  });

  test("refuses a point that the run does not reach", async () => {
    await refused("ARGUMENT", `interventions[0], got ${at}`, {
      ...intervention(ablate(sae.feature(1))),
      stopAtLayer: 2,
    });
    await refused("ARGUMENT", `coders[0], got ${at}`, { coders: [sae], stopAtLayer: 2 });
    await refused(
      "NOT_FOUND",
      "blocks.9",
      intervention(project("blocks.9.hook_mlp_out", vector())),
    );
    const q = steer({ hook: "blocks.0.attn.q_norm.hook_out", vector: new Array(64).fill(1) }, 1);
    await refused("NOT_FOUND", "Gemma 3 only", intervention(q));
    using resid = await model.forward(prompt, { stopAtLayer: 3 });
    const error = await failure(() =>
      model.forward(resid, { startAtLayer: 3, interventions: [ablate(sae.feature(1))] }),
    );
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain(at);
  });

  test("refuses vectors and sources of another shape", async () => {
    await refused("SHAPE", "expected 48 numbers", intervention(project(at, [1, 2])));
    await refused("SHAPE", "expected 64 numbers", intervention(project(z, vector())));
    await refused(
      "ARGUMENT",
      "a vector at each position",
      intervention(project(pattern, vector())),
    );
    using wrong = zeros([1, 6, 47], { device: cpu });
    const patched = patch(at, wrong as never);
    await refused("SHAPE", "[batch, pos, 48]", intervention(patched));
    patched.source.dispose();
  });

  test("refuses positions and rows out of range, with both numbers", async () => {
    const f = sae.feature(1);
    await refused(
      "ARGUMENT",
      "positions in [-6, 6) (row 0)",
      intervention(ablate(f, { positions: 6 })),
    );
    await refused("ARGUMENT", "got -7", intervention(ablate(f, { positions: [0, -7] })));
    await refused("ARGUMENT", "row 1", intervention(ablate(f, { positions: 4 })), [prompt, [2, 3]]);
    await refused("ARGUMENT", "rows in [0, 1)", intervention(ablate(f, { batch: 1 })));
    const rows = await model.forward([prompt, [2, 3]], {
      interventions: [ablate(f, { positions: 4, batch: 0 })],
    });
    rows.dispose();
  });

  test("refuses a patch from rows, positions and heads that the source does not have", async () => {
    using short = await model.runWithCache(prompt.slice(0, 4), {
      names: [at, z, pattern],
      logits: false,
    });
    const all = freeze(() => true, short.cache);
    const [resid, heads, attention] = all as [Intervention, Intervention, Intervention];
    await refused("ARGUMENT", "(4 of row 0)", intervention(resid));
    await refused("ARGUMENT", "position 4 of 6", intervention(resid));
    await refused("ARGUMENT", "padding", intervention({ ...attention, positions: 2 }));
    await refused(
      "ARGUMENT",
      "heads in [0, 4)",
      intervention({ ...heads, heads: [4], positions: 1 }),
    );
    await refused("ARGUMENT", "has no heads", intervention({ ...resid, heads: [0], positions: 1 }));
    const out = await model.forward(prompt, {
      interventions: [{ ...resid, positions: { from: 0, to: 4 } }],
    });
    out.dispose();
    using pair = await model.runWithCache([prompt, prompt], { names: [at], logits: false });
    const two = patch(at, pair.cache);
    await refused("SHAPE", "1 row", intervention(two));
    for (const { source } of [...all, two]) source.dispose();
  });

  test("refuses coders that do not fit", async () => {
    using narrow = await load("tiny-gemma2/gs1/att/params.npz", {
      hookName: "blocks.2.attn.hook_z",
    });
    using wide = await load("tiny-gemma2/gs1/att/params.npz", { hookName: at });
    await refused("SHAPE", "width 48", { coders: [wide] });
    await refused("SHAPE", "width 48", intervention(ablate(wide.feature(1))));
    await refused("ARGUMENT", "a coder (SAE or Transcoder)", { coders: [7] });
    await refused("ARGUMENT", "an array of coders", { coders: sae });
    await refused("ARGUMENT", "got feature", { coders: [sae.feature(7)] });
    await refused("ARGUMENT", "each coder once", { coders: [sae, narrow, { coder: sae }] });
    await refused("ARGUMENT", "coders[0].errorTerm", { coders: [{ coder: sae, errorTerm: 1 }] });
    await refused("ARGUMENT", "got useErrorTerm", { coders: [{ coder: sae, useErrorTerm: true }] });
    using backward = await Transcoder.fromFile(
      fixture("tiny-gemma2/gs1/transcoder/plain_layer_2.npz"),
      { hookName: at, hookNameOut: "blocks.2.hook_mlp_out", device },
    );
    await refused("ARGUMENT", "reads before it writes", { coders: [backward] });
    await refused("ARGUMENT", "reads before it writes", intervention(ablate(backward.feature(0))));
    const gone = await load("tiny-gemma2/gs1/res/params.npz", { hookName: at });
    gone.dispose();
    await refused("DISPOSED", "coders[0]", { coders: [gone] });
    await refused(
      "DISPOSED",
      "interventions[0]",
      intervention(ablate({ coder: gone, feature: 1 })),
    );
    await refused(
      "DISPOSED",
      "interventions[0]",
      intervention(steer({ coder: gone, feature: 1 }, 1)),
    );
  });

  test("refuses a coder that is known to belong to another model", async () => {
    const hub = newFolder();
    const folder = join(hub, "gemma-2-2b-it");
    symlinkSync(fixture("tiny-gemma2"), folder);
    await using tuned = await HookedTransformer.fromPretrained(folder, { device });
    const open = (size: string) => {
      const leaf = join(hub, `gemma-scope-${size}-pt-res/layer_2/width_16k/average_l0_71`);
      mkdirSync(leaf, { recursive: true });
      symlinkSync(fixture("tiny-gemma2/gs1/res/params.npz"), join(leaf, "params.npz"));
      return SAE.fromFile(leaf, { device });
    };
    using other = await open("9b");
    const error = await failure(() => tuned.forward(prompt, { coders: [other] }));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain("a coder of gemma-2-2b for coders[0], got one of gemma-2-9b");
    // A tuned model accepts the coders of its base model.
    using base = await open("2b");
    (await tuned.forward(prompt, { coders: [base] })).dispose();
  });

  test("needs tokens to find the special ones", async () => {
    using known = await model.forward(prompt, { stopAtLayer: 1 });
    using resid = tensor(await known.read("float32"), { device, shape: known.shape });
    const coders = [{ coder: sae, excludeSpecialTokens: true }];
    const interventions = [ablate(sae.feature(3), { excludeSpecialTokens: true })];
    for (const [options, subject] of [
      [{ coders }, "coders[0].excludeSpecialTokens"],
      [{ interventions }, "interventions[0].excludeSpecialTokens"],
    ] as const) {
      const error = await failure(() => model.forward(resid, { startAtLayer: 1, ...options }));
      expect(error.code).toBe("ARGUMENT");
      expect(error.message).toContain(subject);
    }
    // A residual stream that remembers its tokens knows the special ones.
    using from = await model.forward(known, { startAtLayer: 1, coders, interventions });
    using whole = await model.forward(prompt, { coders, interventions });
    expect(from.allClose(whole, { rtol: 1e-4, atol: 1e-4 })).toBe(true);
  });

  test("refuses to exclude invalid token ids", async () => {
    for (const excludeSpecialTokens of [[1.5], [-1], [model.cfg.dVocab], "bos", ["2"]] as never[]) {
      const coders = [{ coder: sae, excludeSpecialTokens }];
      const error = await failure(() => model.forward(prompt, { coders }));
      expect(error.code).toBe("ARGUMENT");
      expect(error.message).toContain("coders[0].excludeSpecialTokens");
    }
  });

  test("steers by a transcoder whose input the run does not reach, and refuses to splice it", async () => {
    using coder = await Transcoder.fromFile(
      fixture("tiny-gemma2/gs1/transcoder/plain_layer_2.npz"),
      { hookName: "blocks.1.ln2.hook_normalized", hookNameOut: "blocks.2.hook_mlp_out", device },
    );
    using resid = await model.forward(prompt, { stopAtLayer: 2 });
    const out = await model.forward(resid, {
      startAtLayer: 2,
      interventions: [steer(coder.feature(1), 3)],
    });
    out.dispose();
    const error = await failure(() => model.forward(resid, { startAtLayer: 2, coders: [coder] }));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain("blocks.1.ln2.hook_normalized");
  });

  test("stops at its signal", async () => {
    const reason = new Error("enough");
    const error = await failure(() =>
      model.forward(prompt, {
        interventions: [steer(sae.feature(1), 3)],
        signal: AbortSignal.abort(reason),
      }),
    );
    expect(error).toBe(reason);
  });
});
