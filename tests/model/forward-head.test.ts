import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  decompositionNames,
  directLogitAttribution,
  HookedTransformer,
  logitLens,
  memory,
  readout,
} from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { f32, modelCopy, type Raw, readRaw, toF32 } from "../support/raw-checkpoint.js";

const prompt = [2, 50, 60, 70, 12];
const embedName = "model.embed_tokens.weight";
const options = { device, dtype: "float32" } as const;
const load = (dir: string) => HookedTransformer.fromPretrained(dir, options);
const vocabulary = 128;
/** The token whose logit a token gets from the reversed head. */
const mirror = (token: number) => vocabulary - 1 - token;

/** The embedding's rows from last to first, which reverses the logits. */
function reversed(embed: Raw): Raw {
  const values = toF32(embed);
  const width = embed.shape[1] as number;
  const rows = Array.from({ length: vocabulary }, (_, row) =>
    values.subarray(mirror(row) * width, (mirror(row) + 1) * width),
  );
  return f32(
    rows.flatMap((row) => [...row]),
    embed.shape,
  );
}

const withHead = (config: object = {}, name = "lm_head.weight", make = reversed) =>
  modelCopy({ config, tensors: (all) => void all.set(name, make(all.get(embedName) as Raw)) });

const warnings: (Error & { code?: string })[] = [];
const listen = (warning: Error) => void warnings.push(warning);
const heard = async (dir: string) => {
  await new Promise((done) => setImmediate(done));
  return warnings.filter(({ message }) => message.includes(dir));
};
beforeAll(() => void process.on("warning", listen));
afterAll(() => void process.off("warning", listen));

const names = (name: string) => name === "unembed.hook_in" || name.endsWith("hook_resid_post");

describe("a separate head despite a tied config.json", () => {
  let dir: string;
  let tied: HookedTransformer;
  let own: HookedTransformer;
  beforeAll(async () => {
    dir = withHead();
    tied = await load(modelCopy());
    own = await load(dir);
  });
  afterAll(async () => {
    await tied.dispose();
    await own.dispose();
  });

  test("determines the logits, at all positions and through hooks", async () => {
    using want = await tied.forward(prompt);
    using got = await own.forward(prompt);
    const flipped = (await want.read("float32")).reverse();
    const [batch, pos] = want.shape as [number, number, number];
    // Reversing the whole tensor would also reverse the positions, so each row is reversed
    // separately.
    const rows = Array.from({ length: batch * pos }, (_, row) =>
      flipped.subarray((pos - 1 - row) * vocabulary, (pos - row) * vocabulary),
    );
    const wanted = rows.flatMap((row) => [...row]);
    expect(relativeError(await got.read("float32"), wanted)).toBeLessThan(1e-5);
    using run = await own.runWithCache(prompt, { names: ["unembed.hook_out"] });
    const cap = own.cfg.finalSoftcap as number;
    using capped = run.cache.get("unembed.hook_out").div(cap).tanh().mul(cap);
    expect(relativeError(await capped.read("float32"), wanted)).toBeLessThan(1e-5);
  });

  test("is W_U, and W_E stays the embedding", async () => {
    const embed = readRaw(join(dir, "model.safetensors")).get(embedName) as Raw;
    const head = reversed(embed);
    using transposed = own.weight("W_U").transpose(0, 1);
    expect(await transposed.read("float32")).toEqual(toF32(head));
    expect(await own.weight("W_E").read("float32")).toEqual(toF32(embed));
    expect(await own.weight("unembed.W_U").read("float32")).toEqual(
      await own.weight("W_U").read("float32"),
    );
    expect(own.cfg.tieWordEmbeddings).toBe(false);
    expect(tied.cfg.tieWordEmbeddings).toBe(true);
  });

  test("applies to unembed, the lens, readouts and direct logit attribution", async () => {
    using cacheOf = await tied.runWithCache(prompt, { names, logits: false });
    using ownRun = await own.runWithCache(prompt, { names, logits: false });
    const x = cacheOf.cache.get("unembed.hook_in");
    using a = await tied.unembed(x);
    using b = await own.unembed(x);
    using flip = b.select(1, -1).reshape([-1]);
    using want = a.select(1, -1).reshape([-1]);
    expect(
      relativeError((await flip.read("float32")).reverse(), await want.read("float32")),
    ).toBeLessThan(1e-5);

    const lens = await logitLens(tied, cacheOf.cache, { topK: 3 });
    const ownLens = await logitLens(own, ownRun.cache, { topK: 3 });
    expect(ownLens.map(({ top }) => top.map(({ token }) => token))).toEqual(
      lens.map(({ top }) => top.map(({ token }) => mirror(token))),
    );

    using vector = x.select(1, 2).reshape([-1]);
    const [read, ownRead] = [await readout(tied, vector), await readout(own, vector)];
    expect(ownRead.top.map(({ token }) => token)).toEqual(read.top.map((t) => mirror(t.token)));
    expect(ownRead.bottom.map(({ token }) => token)).toEqual(
      read.bottom.map((t) => mirror(t.token)),
    );

    const parts = { names: decompositionNames(tied, "component"), logits: false } as const;
    using run = await tied.runWithCache(prompt, parts);
    using other = await own.runWithCache(prompt, parts);
    const effects = await directLogitAttribution(tied, run.cache, { target: { logit: 33 } });
    const ownEffects = await directLogitAttribution(own, other.cache, {
      target: { logit: mirror(33) },
    });
    const values = (list: typeof effects) => list.map(({ effect }) => effect);
    expect(relativeError(values(ownEffects), values(effects))).toBeLessThan(1e-5);
  });

  test("applies to the loss, generation and gradients", async () => {
    // A token's loss is −log softmax of the token's logit, here from the plain run's mirrored logits.
    using plain = await tied.forward(prompt);
    using logprobs = plain.logSoftmax(-1);
    const rows = await logprobs.read("float32");
    let sum = 0;
    for (let i = 1; i < prompt.length; i++) {
      sum -= rows[(i - 1) * vocabulary + mirror(prompt[i] as number)] as number;
    }
    expect(await own.loss(prompt)).toBeCloseTo(sum / (prompt.length - 1), 4);

    using last = plain.select(1, -1).reshape([-1]);
    const best = Number(last.argmax().item());
    const drawn = own.generate(prompt, { maxNewTokens: 1, temperature: 0, stopAtEos: false });
    const tokens: number[] = [];
    for await (const { token } of drawn) tokens.push(token);
    expect(tokens).toEqual([mirror(best)]);

    const name = "blocks.1.hook_resid_post";
    const grad = async (model: HookedTransformer, token: number) => {
      using run = await model.runWithGradients(prompt, {
        names: [name],
        target: { logit: token, position: -1 },
      });
      return run.grad(name).read("float32");
    };
    const want = await grad(tied, 33);
    expect(relativeError(await grad(own, mirror(33)), want)).toBeLessThan(1e-5);
  });

  test("is reported once, with a code", async () => {
    await using again = await load(dir);
    expect(again.cfg.tieWordEmbeddings).toBe(false);
    const found = await heard(dir);
    expect(found.map(({ code }) => code)).toEqual(["GEMLENS_UNTIED_HEAD"]);
    expect(found[0]?.message).toContain("lm_head.weight");
  });
});

const held = ({ cpuBytes, cudaBytes } = memory()) => cpuBytes + cudaBytes;

/** Bytes of a view of W_E, and the additional bytes of W_U: distinct storages count once. */
function oneWeight(model: HookedTransformer): number {
  const before = held();
  using _embed = model.weight("W_E");
  return held() - before;
}
function twoWeights(model: HookedTransformer): number {
  const before = held();
  using _embed = model.weight("W_E");
  using _head = model.weight("W_U");
  return held() - before;
}

describe("the head of a checkpoint", () => {
  const logitOf = async (dir: string, token: number) => {
    await using model = await load(dir);
    using logits = await model.forward(prompt, { positions: [-1] });
    return (await logits.read("float32"))[token] as number;
  };

  test.each([
    ["no tie_word_embeddings", { tie_word_embeddings: undefined }, "lm_head.weight", 1],
    ["tie_word_embeddings: false", { tie_word_embeddings: false }, "lm_head.weight", 0],
    ["the multimodal prefix", {}, "language_model.lm_head.weight", 1],
  ])("%s", async (_, config, name, warnings) => {
    const want = await logitOf(modelCopy(), 33);
    const dir = withHead(config, name);
    expect(await logitOf(dir, mirror(33))).toBeCloseTo(want, 5);
    expect(await heard(dir)).toHaveLength(warnings);
  });

  test("shares the embedding's memory if it is an equal copy, also in another dtype", async () => {
    const bf16 = (raw: Raw): Raw => {
      const words = new Uint16Array(new Uint8Array(raw.bytes).buffer);
      const upper = words.filter((_, i) => i % 2 === 1);
      return { dtype: "BF16", shape: raw.shape, bytes: new Uint8Array(upper.buffer) };
    };
    const rounded = (raw: Raw): Raw => {
      const words = new Uint16Array(new Uint8Array(raw.bytes).buffer);
      for (let i = 0; i < words.length; i += 2) words[i] = 0;
      return { ...raw, bytes: new Uint8Array(words.buffer) };
    };
    const expectShared = async (dir: string) => {
      await using model = await load(dir);
      expect(model.cfg.tieWordEmbeddings).toBe(true);
      expect(await heard(dir)).toEqual([]);
      expect(twoWeights(model)).toBe(oneWeight(model));
    };
    await expectShared(withHead({}, "lm_head.weight", (raw) => raw));
    await expectShared(
      modelCopy({
        tensors: (all) => {
          const embed = rounded(all.get(embedName) as Raw);
          all.set(embedName, embed);
          all.set("lm_head.weight", bf16(embed));
        },
      }),
    );
  });

  test("is separate if only its last element differs", async () => {
    const nudged = (raw: Raw): Raw => {
      const values = toF32(raw);
      values[values.length - 1] = (values.at(-1) as number) + 1;
      return f32(values, raw.shape);
    };
    await using model = await load(withHead({}, "lm_head.weight", nudged));
    expect(model.cfg.tieWordEmbeddings).toBe(false);
  });

  test("is the embedding if a tied model saved only the head", async () => {
    const dir = modelCopy({
      tensors: (all) => {
        all.set("lm_head.weight", all.get(embedName) as Raw);
        all.delete(embedName);
      },
    });
    expect(await logitOf(dir, 33)).toBe(await logitOf(modelCopy(), 33));
  });

  test.each([
    ["false at the top", { tie_word_embeddings: false }, "tiny-gemma2"],
    [
      "false in text_config, nothing at the top",
      { tie_word_embeddings: undefined, text_config: "untied" },
      "checkpoints/gemma3-multimodal-hub",
    ],
  ])("is refused if missing: %s", async (_, change, from) => {
    const dir = modelCopy({}, from);
    const file = join(dir, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    const text = { ...config.text_config, tie_word_embeddings: false };
    const changed = { ...config, ...change, ...(config.text_config && { text_config: text }) };
    writeFileSync(file, JSON.stringify(changed));
    const error = await failure(() => load(dir));
    expect(error.code).toBe("CHECKPOINT");
    expect(error.message).toContain("lm_head.weight");
    expect(error.message).toContain("tie_word_embeddings");
  });

  test("counts in the model's bytes", async () => {
    const seen: number[] = [];
    await using model = await HookedTransformer.fromPretrained(withHead(), {
      ...options,
      onProgress: ({ bytes }) => void seen.push(bytes),
    });
    expect(twoWeights(model)).toBe(2 * oneWeight(model));
    const total = [...readRaw(join(withHead(), "model.safetensors")).values()].reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
    expect(seen.at(-1)).toBe(total);
  });
});
