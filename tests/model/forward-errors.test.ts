import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, type Input, tensor, zeros } from "../../lib/index.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { newFolder } from "../support/folder.js";

describe("forward refuses", () => {
  let model: HookedTransformer;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  });
  afterAll(() => model.dispose());

  const refused = async (
    input: unknown,
    options: object,
    code: string,
    ...parts: (string | RegExp)[]
  ) => {
    const error = await failure(() => model.forward(input as Input, options));
    expect(error.code, error.message).toBe(code);
    for (const part of parts) expect(error.message).toMatch(part);
  };

  test("an empty input", async () => {
    await refused([], {}, "ARGUMENT", "at least one token", "empty array");
    await refused([[1, 2], []], {}, "ARGUMENT", "at least one token", "row 1");
    await refused(new Int32Array(0), {}, "ARGUMENT", "at least one token");
  });

  test("values that are no input", async () => {
    for (const input of [null, undefined, 7, {}, [1, "a"], true]) {
      await refused(input, {}, "ARGUMENT", /^forward: expected /);
    }
  });

  test("an id outside the vocabulary, naming id and position", async () => {
    await refused([2, 128], {}, "ARGUMENT", /\[0, 128\)/, "token 1 of row 0", "got 128");
    await refused(
      [
        [2, 3],
        [2, -1],
      ],
      {},
      "ARGUMENT",
      "token 1 of row 1",
      "got -1",
    );
    await refused([2, 1.5], {}, "ARGUMENT", "got 1.5");
    await refused([2, 2 ** 32 + 3], {}, "ARGUMENT", `got ${2 ** 32 + 3}`);
    await refused([2, Number.NaN], {}, "ARGUMENT", "got NaN");
  });

  test("more tokens than the context has, naming both numbers", async () => {
    const nCtx = model.cfg.nCtx;
    const many = new Int32Array(nCtx + 1).fill(2);
    await refused(many, {}, "ARGUMENT", `at most ${nCtx}`, `got ${nCtx + 1}`);
  });

  test("a row of only padding, and padding between tokens", async () => {
    const ids = new Int32Array(8).fill(2);
    const shape = [2, 4] as const;
    const row = Uint8Array.of(1, 1, 1, 1, 0, 0, 0, 0);
    await refused({ ids, shape, mask: row }, {}, "ARGUMENT", "row 1", "only padding");
    const gap = Uint8Array.of(1, 1, 1, 1, 1, 0, 1, 1);
    await refused({ ids, shape, mask: gap }, {}, "ARGUMENT", "row 1", "a gap");
    const short = Uint8Array.of(1, 1);
    await refused({ ids, shape, mask: short }, {}, "ARGUMENT", "mask");
  });

  test("unknown options", async () => {
    await refused([2], { stopAtLayers: 1 }, "ARGUMENT", "stopAtLayers", "stopAtLayer");
    const error = await failure(() => model.runWithCache([2], { names: [], cache: 1 } as never));
    expect(error.code).toBe("ARGUMENT");
    expect(error.message).toContain("got cache");
    const load = await failure(() =>
      HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { dtypes: "x" } as never),
    );
    expect(load.code).toBe("ARGUMENT");
    expect(load.message).toContain("got dtypes");
  });

  test("layers and positions out of range", async () => {
    await refused([2, 3], { stopAtLayer: 5 }, "ARGUMENT", "stopAtLayer", "got 5");
    await refused([2, 3], { stopAtLayer: -5 }, "ARGUMENT", "got -5");
    await refused([2, 3], { positions: [2] }, "ARGUMENT", /\[-2, 2\)/, "got 2");
    await refused([2, 3], { positions: [0.5] }, "ARGUMENT", "got 0.5");
    await refused([2, 3], { positions: [] }, "ARGUMENT", "positions");
    await refused(
      [
        [2, 3, 4],
        [2, 3],
      ],
      { positions: [2] },
      "ARGUMENT",
      "row 1",
    );
    await refused([2, 3], { positions: [0], stopAtLayer: 1 }, "ARGUMENT", "positions");
  });

  test("a residual stream without its layer or of another shape or dtype, and a layer for tokens", async () => {
    using resid = zeros([1, 3, 48], { device: device as "cpu" });
    await refused(resid, {}, "ARGUMENT", "startAtLayer");
    await refused([2, 3], { startAtLayer: 1 }, "ARGUMENT", "startAtLayer");
    await refused(resid, { startAtLayer: 3, stopAtLayer: 2 }, "ARGUMENT", "stopAtLayer");
    using narrow = zeros([1, 3, 47], { device: device as "cpu" });
    await refused(narrow, { startAtLayer: 1 }, "SHAPE", /\[batch, pos, 48\]/, /\[1, 3, 47\]/);
    using half = zeros([1, 3, 48], { dtype: "bfloat16", device: device as "cpu" });
    await refused(half, { startAtLayer: 1 }, "DTYPE", "float32", "bfloat16");
  });

  test("no tensor that is disposed right after the call", async () => {
    const resid = await model.forward([2, 3], { stopAtLayer: 1 });
    using want = await model.forward(resid, { startAtLayer: 1 });
    const running = model.forward(resid, { startAtLayer: 1 });
    resid.dispose();
    using got = await running;
    expect(relativeError(await got.read("float32"), await want.read("float32"))).toBe(0);
  });

  test("disposed tensors", async () => {
    const gone = zeros([1, 3, 48]);
    gone.dispose();
    await refused(gone, { startAtLayer: 1 }, "DISPOSED");
    expect((await failure(() => model.unembed(gone))).code).toBe("DISPOSED");
    expect((await failure(() => model.finalNorm(gone))).code).toBe("DISPOSED");
  });

  test("runs that need more memory than available", async () => {
    expect((await failure(() => model.loss([2]))).code).toBe("ARGUMENT");
    expect((await failure(() => model.runWithCache([2], {} as never))).message).toContain("names");
    expect((await failure(() => model.runWithCache([2], undefined as never))).code).toBe(
      "ARGUMENT",
    );
    using flat = tensor([1, 2, 3]);
    expect((await failure(() => model.unembed(flat))).code).toBe("SHAPE");
  });

  test("unknown weights, naming the known ones", async () => {
    for (const name of ["W_Q", "blocks.4.attn.W_Q", "blocks.0.attn.q_norm.w", "constructor"]) {
      const error = await failure(() => model.weight(name));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain("attn.W_Q");
    }
  });

  test("to run with an aborted signal, with the caller's reason", async () => {
    const reason = new Error("enough");
    expect(await failure(() => model.forward([2], { signal: AbortSignal.abort(reason) }))).toBe(
      reason,
    );
    const controller = new AbortController();
    const running = model.forward([2, 3], {
      signal: controller.signal,
      hooks: [["blocks.1.hook_resid_pre", () => controller.abort(reason)]],
    });
    expect(await failure(() => running)).toBe(reason);
    using logits = await model.forward([2, 3]);
    expect(logits.shape).toEqual([1, 2, 128]);
  });

  test("accepts a single token", async () => {
    using logits = await model.forward([2]);
    expect(logits.shape).toEqual([1, 1, 128]);
    expect((await logits.read("float32")).every(Number.isFinite)).toBe(true);
  });

  test("passes a NaN in a residual stream through to the logits of only that row", async () => {
    using resid = await model.forward(
      [
        [2, 3],
        [2, 3],
      ],
      { stopAtLayer: 1 },
    );
    using broken = resid.clone();
    broken.select(0, 0).fill_(Number.NaN);
    using logits = await model.forward(broken, { startAtLayer: 1 });
    using want = await model.forward([2, 3]);
    const values = await logits.read("float32");
    expect(values.subarray(0, 256).every(Number.isNaN)).toBe(true);
    const row = values.subarray(256);
    expect(relativeError(row, await want.read("float32"))).toBeLessThan(1e-5);
  });

  test("limits tokens by the context only if they run", () => {
    const many = new Int32Array(model.cfg.nCtx + 1).fill(2);
    expect(model.toTokens(many).shape).toEqual([1, model.cfg.nCtx + 1]);
  });
});

describe("loading", () => {
  test("explains how to get a missing model", async () => {
    const folder = newFolder();
    const before = process.env["HF_HUB_CACHE"];
    process.env["HF_HUB_CACHE"] = folder;
    try {
      const error = await failure(() => HookedTransformer.fromPretrained("google/gemma-2-2b"));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain("hf download google/gemma-2-2b");
      expect(error.message).toContain("models--google--gemma-2-2b");
    } finally {
      if (before === undefined) delete process.env["HF_HUB_CACHE"];
      else process.env["HF_HUB_CACHE"] = before;
    }
    const missing = await failure(() => HookedTransformer.fromPretrained("/no/such/folder"));
    expect(missing.code).toBe("NOT_FOUND");
    const empty = await failure(() => HookedTransformer.fromPretrained(""));
    expect(empty.code).toBe("ARGUMENT");
  });

  test("finds a model in the Hugging Face cache", async () => {
    const { cpSync, mkdirSync, writeFileSync } = await import("node:fs");
    const cache = newFolder();
    const before = process.env["HF_HUB_CACHE"];
    process.env["HF_HUB_CACHE"] = cache;
    try {
      const repository = join(cache, "models--somebody--some-gemma");
      cpSync(fixture("tiny-gemma2/config.json"), join(repository, "snapshots/abc123/config.json"));
      const weights = join(repository, "snapshots/abc123/model.safetensors");
      cpSync(fixture("tiny-gemma2/model.safetensors"), weights);
      mkdirSync(join(repository, "refs"));
      writeFileSync(join(repository, "refs/main"), "abc123");
      await using model = await HookedTransformer.fromPretrained("somebody/some-gemma");
      expect(model.cfg.modelName).toBe("some-gemma");
    } finally {
      if (before === undefined) delete process.env["HF_HUB_CACHE"];
      else process.env["HF_HUB_CACHE"] = before;
    }
  });

  test("reports its progress", async () => {
    const stages: string[] = [];
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      onProgress: ({ stage, bytes }) => stages.push(`${stage} ${bytes > 0}`),
    });
    expect(stages).toEqual(["checkpoint false", "weights true", "ready true"]);
    expect(model.isDisposed).toBe(false);
  });

  test("refuses every call after dispose, which waits for earlier work", async () => {
    const model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    const running = model.forward([2, 3, 4]);
    const disposed = model.dispose();
    const later = [
      () => model.forward([2]),
      () => model.runWithCache([2], { names: [] }),
      () => model.loss([2, 3]),
      () => model.embed([2]),
      () => model.weight("W_E"),
      () => model.addHook("hook_embed", () => {}),
      () => model.generate([2]).texts(),
    ];
    for (const call of later) expect((await failure(call)).code).toBe("DISPOSED");
    using logits = await running;
    expect(logits.shape).toEqual([1, 3, 128]);
    await disposed;
    await model.dispose();
    expect(inspect(model)).toContain("disposed");
  });

  test("prints a summary", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    expect(inspect(model)).toMatch(/^HookedTransformer tiny-gemma2 \(gemma2, float32 on /);
    expect(inspect(model)).toContain("4 layers, d_model 48");
  });
});
