import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  GemlensError,
  type GeneratedToken,
  type GenerateOptions,
  type Hook,
  HookedTransformer,
  hook,
  steer,
  type Tensor,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

// Invalid logits have no order, so no token is drawn from them. -Infinity is a masked token.
const onDevice = { device: device as "cpu" };
const prompt = [2, 17, 93, 4];
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

let gemma2: HookedTransformer;
let gemma3: HookedTransformer; // without a cap on its logits
beforeAll(async () => {
  gemma2 = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), onDevice);
  gemma3 = await HookedTransformer.fromPretrained(fixture("tiny-gemma3"), onDevice);
});
afterAll(async () => {
  await gemma2.dispose();
  await gemma3.dispose();
});

/** The tokens until an error, and the error. */
async function draw(
  model: HookedTransformer,
  input: number[] | number[][],
  options: GenerateOptions,
): Promise<{ tokens: GeneratedToken[]; error: GemlensError | undefined }> {
  const tokens: GeneratedToken[] = [];
  try {
    for await (const token of model.generate(input, { stopAtEos: false, ...options })) {
      tokens.push(token);
    }
  } catch (error) {
    if (!GemlensError.is(error)) throw error;
    return { tokens, error };
  }
  return { tokens, error: undefined };
}

/** Sets numbers of an activation at [row, column, index]; a missing index means the whole axis. */
function put(act: Tensor, value: number, row?: number, index?: number): void {
  let part = act;
  if (row !== undefined) part = part.slice(0, row, row + 1);
  if (index !== undefined) part = part.slice(-1, index, index + 1);
  part.fill_(value);
}

const broken = (name: string, value = nan, row?: number, index?: number): Hook =>
  hook(name as "blocks.1.hook_resid_post", (act) => put(act as Tensor, value, row, index));
const OUT = "unembed.hook_out";

/** A token without its text, as the folder has no tokenizer. */
const numbersOf = ({ batch, step, token, logprob }: GeneratedToken) => [
  batch,
  step,
  token,
  logprob,
];

describe("sampling", () => {
  const ways: GenerateOptions[] = [
    { temperature: 0 },
    { temperature: 0, repetitionPenalty: 1.5 },
    { seed: 1 },
    { seed: 1, temperature: 0.3, topK: 5 },
    { seed: 1, topP: 0.9 },
    { seed: 1, topK: 3, topP: 0.5, repetitionPenalty: 2 },
  ];
  const values: [string, number, number | undefined][] = [
    ["NaN everywhere", nan, undefined],
    ["one NaN, the first", nan, 0],
    ["one NaN, the last", nan, 127],
    ["one Infinity", infinity, 64],
    ["-Infinity everywhere", -infinity, undefined],
  ];
  test.each(values)("refuses a logit of %s with every way of drawing", async (_, value, index) => {
    for (const way of ways) {
      const hooks = [broken(OUT, value, undefined, index)];
      const { tokens, error } = await draw(gemma3, prompt, { ...way, hooks, maxNewTokens: 2 });
      expect(tokens).toEqual([]);
      expect(error).toMatchObject({ code: "ARGUMENT", fields: { row: 0, step: 0, hook: OUT } });
      expect(error?.message).toContain("not finite");
      if (index !== undefined) expect(error?.fields["token"]).toBe(index);
    }
  });

  test.each(ways)("never draws a masked token (-Infinity): %o", async (way) => {
    const allowed = [7, 100];
    const mask = hook(OUT, (act) => {
      const kept = act.index(2, allowed);
      act.fill_(-infinity);
      for (const [i, id] of allowed.entries())
        act.slice(2, id, id + 1).copy_(kept.slice(2, i, i + 1));
    });
    const { tokens, error } = await draw(gemma3, prompt, {
      ...way,
      hooks: [mask],
      maxNewTokens: 8,
    });
    expect(error).toBeUndefined();
    expect(tokens).toHaveLength(8);
    for (const { token, logprob } of tokens) {
      expect(allowed).toContain(token);
      expect(Number.isFinite(logprob)).toBe(true);
    }
  });

  test("names the row of a batch, and ignores rows that have ended", async () => {
    const batch = [prompt, [2, 5], [2, 9, 9]];
    const hooks = [broken("blocks.1.hook_resid_post", nan, 2)];
    const { error } = await draw(gemma2, batch, { hooks, temperature: 0, maxNewTokens: 3 });
    expect(error?.fields).toMatchObject({ row: 2, step: 0, hook: "blocks.1.hook_resid_post" });
    const [eos = 1] = gemma3.cfg.eosTokenIds;
    const ends = hook(OUT, (act, { step }) => {
      if (step === 0) put(act.slice(0, 1, 2), 1e4, undefined, eos);
      else put(act, nan, 1);
    });
    const { tokens, error: none } = await draw(gemma3, batch, {
      hooks: [ends],
      stopAtEos: true,
      temperature: 0,
      maxNewTokens: 4,
    });
    expect(none).toBeUndefined();
    expect(tokens.filter(({ batch: row }) => row === 1).map(({ token }) => token)).toEqual([eos]);
    expect(tokens.filter(({ batch: row }) => row !== 1)).toHaveLength(8);
  });

  test("keeps the tokens of earlier steps", async () => {
    const late = hook("blocks.2.hook_mlp_out", (act, { step }) => {
      if (step === 3) put(act, nan);
    });
    const { tokens, error } = await draw(gemma2, prompt, {
      hooks: [late],
      seed: 3,
      maxNewTokens: 9,
    });
    const { tokens: whole } = await draw(gemma2, prompt, { seed: 3, maxNewTokens: 3 });
    expect(tokens.map(numbersOf)).toEqual(whole.map(numbersOf));
    expect(error?.fields).toMatchObject({ row: 0, step: 3, hook: "blocks.2.hook_mlp_out" });
  });

  test("names a penalty that overflows", async () => {
    const hooks = [broken(OUT, 1)];
    const options = { hooks, repetitionPenalty: 1e-300, temperature: 0, maxNewTokens: 2 };
    const { error } = await draw(gemma3, prompt, options);
    expect(error).toMatchObject({ code: "ARGUMENT", fields: { row: 0, step: 0 } });
    expect(error?.message).toMatch(/repetitionPenalty .*not finite/);
  });
});

describe("the error names the first hook point that is not finite", () => {
  test("among the recorded points, in order of the pass", async () => {
    // The hook writes in onDevice, so its own point is the first that is not finite.
    const names = [
      "unembed.hook_in",
      "blocks.3.hook_resid_post",
      "blocks.0.hook_resid_post",
    ] as const;
    const { error } = await draw(gemma2, prompt, {
      record: { names },
      hooks: [broken("blocks.2.hook_resid_mid")],
      maxNewTokens: 1,
    });
    expect(error?.fields["hook"]).toBe("blocks.2.hook_resid_mid");
    const persistent = gemma2.addHook("blocks.1.attn.hook_v", (act) => put(act as Tensor, nan));
    try {
      const { error: inV } = await draw(gemma2, prompt, { record: { names }, maxNewTokens: 1 });
      expect(inV?.fields["hook"]).toBe("blocks.1.attn.hook_v");
    } finally {
      persistent.dispose();
    }
  });

  test("after an edit, by a second search of the run", async () => {
    const at = "blocks.1.hook_resid_post";
    const vector = new Float32Array(48).fill(1e20);
    const interventions = [steer({ hook: at, vector }, 1e19, { positions: -1 })];
    for (const record of [undefined, { names: ["blocks.2.hook_resid_post"] as const }]) {
      const { error } = await draw(gemma2, prompt, { interventions, record, maxNewTokens: 2 });
      expect(error?.fields).toMatchObject({ row: 0, step: 0, hook: at });
    }
    // From the second token on, when the cache has keys of earlier tokens.
    const later = [steer({ hook: at, vector }, 1e19, { positions: { from: 4 } })];
    const { tokens, error } = await draw(gemma2, prompt, { interventions: later, maxNewTokens: 4 });
    expect(tokens).toHaveLength(1);
    expect(error?.fields).toMatchObject({ step: 1, hook: at });
  });

  test("for weights that are not finite", async () => {
    const folder = newFolder();
    const source = fixture("tiny-gemma2");
    writeFileSync(join(folder, "config.json"), readFileSync(join(source, "config.json")));
    const bytes = readFileSync(join(source, "model.safetensors"));
    const size = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + size));
    const { dtype, data_offsets } = header["model.layers.2.self_attn.v_proj.weight"];
    expect(dtype).toBe("F32");
    bytes.writeFloatLE(nan, 8 + size + data_offsets[0]);
    writeFileSync(join(folder, "model.safetensors"), bytes);
    await using model = await HookedTransformer.fromPretrained(folder, onDevice);
    const { error } = await draw(model, [prompt, [2, 5]], { temperature: 0, maxNewTokens: 2 });
    expect(error?.fields).toMatchObject({ row: 0, step: 0, hook: "blocks.2.attn.hook_v" });
  });
});

describe("padding", () => {
  test("that is not finite does not reach a real token", async () => {
    const tokens = gemma2.toTokens([[2, 5], prompt], { paddingSide: "left" });
    const name = "blocks.0.hook_resid_pre";
    using run = await gemma2.runWithCache(tokens, { names: [name], logits: false });
    using resid = run.cache.get(name).clone();
    const options = { startAtLayer: 0, mask: tokens.mask, positions: [-1] } as const;
    using want = await gemma2.forward(resid, options);
    resid.slice(0, 0, 1).slice(1, 0, 2).fill_(nan);
    using got = await gemma2.forward(resid, options);
    expect(await got.read()).toEqual(await want.read());
    const spoil = hook("blocks.0.hook_resid_pre", (act, { step }) => {
      if (step === 0) act.slice(0, 0, 1).slice(1, 0, 2).fill_(infinity);
    });
    const options2 = { temperature: 0, maxNewTokens: 6 };
    const { tokens: clean } = await draw(gemma2, [[2, 5], prompt], options2);
    const { tokens: spoilt, error } = await draw(gemma2, [[2, 5], prompt], {
      ...options2,
      hooks: [spoil],
    });
    expect(error).toBeUndefined();
    expect(spoilt.map(numbersOf)).toEqual(clean.map(numbersOf));
  });
});

describe("options", () => {
  test.each([
    { temperature: nan },
    { temperature: infinity },
    { temperature: -0.1 },
    { topP: nan },
    { topK: nan },
    { topK: infinity },
    { repetitionPenalty: nan },
    { repetitionPenalty: infinity },
    { seed: nan },
    { maxNewTokens: nan },
    { maxNewTokens: infinity },
  ])("refuses %o", async (options) => {
    expect((await failure(() => gemma2.generate(prompt, options).texts())).code).toBe("ARGUMENT");
  });
});
