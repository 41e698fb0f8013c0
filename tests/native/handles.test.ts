import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { types } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, memory, SAE, type Tensor, tensor } from "../../lib/index.js";
import type { AnyHandle, ModelHandle } from "../../lib/native/addon.js";
import { native } from "../../lib/native/call.js";
import { settledMemory } from "../support/collect.js";
import { device, failure, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { coderWithHandle } from "./fixtures/coder-with-handle.js";
import { loadWithHandle } from "./fixtures/load-with-handle.js";
import { runChild } from "./fixtures/run-child.js";

const point = "blocks.2.hook_resid_post";
const prompt = [2, 3, 4, 5];
const none = { call: 0, task: 0 };

let model: HookedTransformer;
let handle: ModelHandle;
beforeAll(async () => {
  ({ model, handle } = await loadWithHandle("tiny-gemma2", { device }));
});
afterAll(() => model.dispose());

const loadCoder = () =>
  SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), { hookName: point, device });
const values = async (fn: () => Promise<Tensor>) => (await fn()).read("float32");

describe("the native core", () => {
  test("refuses any other value for any argument of any function, with a typed error", async () => {
    const end = await runChild("wrong-arguments.ts");
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null });
    const { tried, missed, wrong, same } = JSON.parse(end.stdout);
    expect(missed).toEqual([]);
    expect(tried).toBeGreaterThan(40);
    expect(wrong).toEqual([]);
    expect(same).toBe(true);
  });

  test("names the expected and the given kind of handle", async () => {
    const core = native();
    const t = core.tensorEmpty([2, 3], "float32", "cpu");
    const kv = core.kvCacheCreate(handle, 1, 4);
    const loose = core as unknown as Record<string, (h: unknown) => unknown>;
    for (const [fn, given, message] of [
      ["tensorShape", handle, "expected the handle of a tensor, got a model"],
      ["tensorShape", kv, "expected the handle of a tensor, got a key-value cache"],
      ["modelInfo", t, "expected the handle of a model, got a tensor"],
      ["featuresReadSync", handle, "expected the handle of features, got a model"],
      ["kvCacheLength", t, "expected the handle of a key-value cache, got a tensor"],
      ["coderParameter", t, "expected the handle of a coder, got a tensor"],
      ["modelInfo", {}, "expected the handle of a model, got something else"],
    ] as const) {
      const error = await failure(() => loose[fn]?.(given));
      expect(error, fn).toMatchObject({ code: "ARGUMENT", message });
    }
    expect([core.dispose(kv), core.dispose(t)]).toEqual([true, true]);
  });

  test("refuses an External of another library", async () => {
    const server = createServer().listen(0) as Server & { _handle: { _externalStream: unknown } };
    const foreign = server._handle._externalStream as AnyHandle;
    server.close();
    expect(types.isExternal(foreign)).toBe(true);
    const error = await failure(() => native().tensorShape(foreign as never));
    expect(error).toMatchObject({ code: "ARGUMENT", message: /got something else$/ });
    expect((await failure(() => native().dispose(foreign))).code).toBe("ARGUMENT");
    expect(native().isAlive(foreign)).toBe(false);
  });

  test("refuses to slice features by a shape whose sizes overflow or are negative", async () => {
    const core = native();
    const path = fixture("tiny-gemma2/gs1/res/params.npz");
    const made = await coderWithHandle(path, { hookName: point, device });
    using sae = made.sae;
    const zeros = new Float32Array(4 * sae.cfg.dIn); // uninitialized memory may hold a NaN
    const x = core.tensorFrom(zeros, [4, sae.cfg.dIn], "float32", device);
    const { handle: features } = await core.coderEncode(made.handle, [x], null, null, none);
    for (const [end, shape] of [
      [0, [2 ** 62, 4]],
      [0, [2 ** 62, 2 ** 62, 0]],
      [4, [-2, -2]],
      [4, [2 ** 62, 1, 4, 4, 4]],
    ] as const) {
      const error = await failure(async () => core.featuresSlice(features, 0, end, shape, none));
      expect(error, String(shape)).toMatchObject({ code: "SHAPE" });
    }
    expect([core.dispose(features), core.dispose(x)]).toEqual([true, true]);
  });

  test("never takes a stale handle for the new one in its slot", async () => {
    const core = native();
    const stale = core.tensorEmpty([1], "float32", "cpu");
    expect(core.dispose(stale)).toBe(true);
    const before = (await settledMemory()).handles;
    // The slot is taken and freed many times.
    for (let i = 0; i < 100; i++) {
      const now = core.tensorEmpty([i], "float32", "cpu");
      expect(core.isAlive(stale)).toBe(false);
      expect((await failure(() => core.tensorShape(stale))).code).toBe("DISPOSED");
      expect(core.dispose(stale)).toBe(false);
      expect(core.tensorShape(now)).toEqual([i]);
      core.dispose(now);
    }
    expect(memory().handles).toBe(before);
  });
});

describe("a key-value cache", () => {
  const request = (kv: unknown, batch = 1) => ({
    batch,
    pos: 2,
    tokens: Int32Array.from([2, 3, 2, 3].slice(0, 2 * batch)),
    startLayer: 0,
    stopLayer: 4,
    output: "none" as const,
    cache: new Int32Array(0),
    features: [],
    hooks: new Int32Array(0),
    kv: kv as never,
  });
  const run = (kv: unknown, batch = 1) => native().modelRun(handle, request(kv, batch), none);

  test("is refused if it has another model or other rows, or is disposed or full", async () => {
    const core = native();
    const other = await loadWithHandle("tiny-gemma3", { device });
    const foreign = core.kvCacheCreate(other.handle, 1, 8);
    expect(await failure(() => run(foreign))).toMatchObject({
      code: "ARGUMENT",
      message: "forward: expected a key-value cache of this model, got another's",
    });
    const kv = core.kvCacheCreate(handle, 1, 3);
    expect((await failure(() => run(kv, 2))).code).toBe("SHAPE");
    await run(kv);
    expect(core.kvCacheLength(kv)).toBe(2);
    expect(await failure(() => run(kv))).toMatchObject({ code: "ARGUMENT", message: /at most 3/ });
    core.dispose(kv);
    expect((await failure(() => run(kv))).code).toBe("DISPOSED");
    core.dispose(foreign);
    await other.model.dispose();
  });

  test("is refused if its model has the same sizes and another dtype", async () => {
    const half = await loadWithHandle("tiny-gemma2", { device, dtype: "bfloat16" });
    const kv = native().kvCacheCreate(half.handle, 1, 8);
    expect((await failure(() => run(kv))).code).toBe("ARGUMENT");
    native().dispose(kv);
    await half.model.dispose();
  });
});

describe("disposing", () => {
  test("twice does nothing: models, coders, features, caches", async () => {
    const start = (await settledMemory()).handles;
    const own = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    const sae = await loadCoder();
    const run = await own.runWithCache(prompt, { names: [point], features: [sae] });
    const acts = run.features(sae);
    acts.dispose();
    acts.dispose();
    run.cache.dispose();
    run.cache.dispose();
    run.dispose();
    run.dispose();
    sae.dispose();
    sae.dispose();
    await Promise.all([own.dispose(), own.dispose()]);
    await own.dispose();
    expect(memory().handles).toBe(start);
  });

  test("a model inside its own hook lets the run end, and does not deadlock", async () => {
    const own = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    using want = await model.forward(prompt);
    using got = await own.forward(prompt, { hooks: [[point, () => own.dispose()]] });
    expect(got.allClose(want)).toBe(true);
    expect((await failure(() => own.forward(prompt))).code).toBe("DISPOSED");
  });

  test("a coder while it encodes, and during a run with it", async () => {
    const before = (await settledMemory()).handles;
    const sae = await loadCoder();
    const run = await model.runWithCache(prompt, { names: [point], features: [sae] });
    const want = (await run.features(sae).read()).values;
    const first = sae.encode(run.cache.get(point));
    const second = model.runWithCache(prompt, {
      names: [],
      features: [sae],
      logits: false,
      hooks: [["blocks.0.hook_resid_pre", () => sleep(5)]],
    });
    sae.dispose();
    expect((await failure(() => sae.encode(run.cache.get(point)))).code).toBe("DISPOSED");
    using acts = await first;
    using later = await second;
    expect((await acts.read()).values).toEqual(want);
    expect((await later.features(sae).read()).values).toEqual(want);
    run.dispose();
    acts.dispose();
    later.dispose();
    expect(memory().handles).toBe(before);
  });

  test("a tensor right after each call that takes one", async () => {
    using sae = await loadCoder();
    using run = await model.runWithCache(prompt, { names: [point] });
    const act = run.cache.get(point);
    const calls = {
      finalNorm: (x: typeof act) => model.finalNorm(x),
      unembed: (x: typeof act) => model.unembed(x),
      forward: (x: typeof act) => sae.forward(x),
      error: (x: typeof act) => sae.error(x),
      "edit then wait": (x: typeof act) => sae.edit(x, () => sleep(1)),
      encode: async (x: typeof act) => (await sae.encode(x)).toDense(),
    };
    for (const [what, fn] of Object.entries(calls)) {
      const want = await values(() => fn(act));
      const got = await values(() => {
        const copy = act.clone();
        const result = fn(copy);
        copy.dispose();
        return result;
      });
      expect(relativeError(got, want), what).toBe(0);
    }
  });
});

describe("calls copy their inputs immediately", () => {
  test("later changes of ids, masks, positions and hooks have no effect", async () => {
    const want = await values(() =>
      model.forward(
        [
          [2, 3, 4, 5],
          [2, 6],
        ],
        { positions: [-1] },
      ),
    );
    const ids = Int32Array.of(2, 3, 4, 5, 2, 6, 0, 0);
    const mask = Uint8Array.of(1, 1, 1, 1, 1, 1, 0, 0);
    const positions = [-1];
    const hooks: [typeof point, () => void][] = [];
    const running = model.forward({ ids, shape: [2, 4], mask }, { positions, hooks });
    ids.fill(7);
    mask.fill(1);
    positions[0] = 0;
    hooks.push([point, () => expect.unreachable()]);
    expect(relativeError(await values(() => running), want)).toBe(0);
    const embedded = await values(() => model.embed(Int32Array.of(2, 3)));
    const two = Int32Array.of(2, 3);
    const embedding = model.embed(two);
    two.fill(9);
    expect(relativeError(await values(() => embedding), embedded)).toBe(0);
  });

  test("tensor copies a typed array", () => {
    const source = Float32Array.of(1, 2, 3);
    using x = tensor(source, { device: device as "cpu" });
    source.fill(0);
    expect(x.tolist()).toEqual([1, 2, 3]);
  });
});
