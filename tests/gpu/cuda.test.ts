import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  doctor,
  HookedTransformer,
  memory,
  SAE,
  type Tensor,
  tensor,
  zeros,
} from "../../lib/index.js";
import { bundled } from "../support/bundled.js";
import { settledMemory } from "../support/collect.js";
import { failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const prompt = [2, 3, 4, 5, 6, 7];
const point = "blocks.2.hook_resid_post";
const coder = fixture("tiny-gemma2/gs1/res/params.npz");

test("doctor runs a kernel of the plugin", () => {
  const { ok, cuda } = doctor();
  expect({ ok, ...cuda }).toMatchObject({ ok: true, problem: undefined });
  expect(cuda.driver).toMatch(/^\d+\.\d+/);
});

describe("errors", () => {
  test("a missing GPU is DEVICE and names the number of GPUs", async () => {
    const error = await failure(() => zeros([2], { device: "cuda:63" }));
    expect(error).toMatchObject({ code: "DEVICE" });
    expect(error.message).toMatch(/expected one of \d+ CUDA devices, got cuda:63/);
  });

  test("too little GPU memory is OUT_OF_MEMORY, and the next call works", async () => {
    const error = await failure(() => zeros([2 ** 20, 2 ** 20], { device: "cuda" }));
    expect(error).toMatchObject({
      code: "OUT_OF_MEMORY",
      fields: { device: "cuda", requested: "4096.00 GiB", free: expect.stringMatching(/iB$/) },
    });
    using small = zeros([4], { device: "cuda" });
    expect(await small.add(1).read()).toEqual(Float32Array.of(1, 1, 1, 1));
  });

  test("too little GPU memory in a task is OUT_OF_MEMORY and leaves no tensor alive", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      device: "cuda",
    });
    const before = await settledMemory();
    const huge = (act: Tensor) => act.add(zeros([2 ** 20, 2 ** 20], { device: "cuda" }));
    const error = await failure(() => model.forward(prompt, { hooks: [[point, huge]] }));
    expect(error).toMatchObject({ code: "HOOK", cause: { code: "OUT_OF_MEMORY" } });
    using after = await model.forward(prompt);
    expect(after.shape).toEqual([1, prompt.length, model.cfg.dVocab]);
    after.dispose();
    expect(memory()).toMatchObject({ handles: before.handles, cudaBytes: before.cudaBytes });
  });

  test("tensors of two devices in one operation are refused", async () => {
    using here = tensor([1, 2]);
    using there = tensor([1, 2], { device: "cuda" });
    const error = await failure(() => here.add(there));
    expect(["ARGUMENT", "DEVICE"]).toContain(error.code);
    using sum = there.add(there);
    expect(await sum.read()).toEqual(Float32Array.of(2, 4));
  });

  test("a coder, a patch source and an input on another device are DEVICE", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      device: "cuda",
    });
    using sae = await SAE.fromFile(coder, { hookName: point });
    const runs = [
      () => model.forward(prompt, { coders: [sae] }),
      () => model.runWithCache(prompt, { names: [], features: [sae] }),
      () => sae.encode(zeros([1, model.cfg.dModel], { device: "cuda" })),
    ];
    for (const run of runs) expect(await failure(run)).toMatchObject({ code: "DEVICE" });
  });

  test("ids out of range are refused on the host, and the process continues", async () => {
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
      device: "cuda",
    });
    expect(await failure(() => model.forward([2, 1e6]))).toMatchObject({ code: "ARGUMENT" });
    using table = zeros([3, 2], { device: "cuda" });
    expect(await failure(() => table.select(0, 3))).toMatchObject({ code: "ARGUMENT" });
    using out = await model.forward(prompt);
    expect((await out.read("float32")).every(Number.isFinite)).toBe(true);
  });
});

describe("memory", () => {
  test("models, coders, caches and features free all of theirs", async () => {
    const before = await settledMemory();
    for (let i = 0; i < 3; i++) {
      const options = { device: "cuda", dtype: "bfloat16" } as const;
      await using model = await HookedTransformer.fromPretrained("tiny", options);
      using sae = await SAE.fromFile(bundled(2), { device: "cuda" });
      using run = await model.runWithCache("One sunny day", { names: () => true, features: [sae] });
      expect(memory().cudaBytes).toBeGreaterThan(before.cudaBytes + 1e6);
      using dense = await run.features(sae).toDense();
      expect(dense.device).toBe("cuda:0");
      using back = dense.to("cpu");
      expect(back.device).toBe("cpu");
    }
    expect(memory()).toMatchObject({ handles: before.handles, cudaBytes: before.cudaBytes });
  });

  test("a tensor on a GPU has no data, and gives the same values with read, readSync and to", async () => {
    using there = tensor([1, 2, 3], { device: "cuda" });
    expect((await failure(() => there.data)).message).toMatch(/cuda/);
    using here = there.to("cpu");
    expect(await there.read()).toEqual(here.data);
    expect(there.readSync()).toEqual(here.data);
  });
});

test("workers use the GPU at the same time, and terminating one leaves the others intact", async () => {
  const work = (situation: string) =>
    new Worker(new URL("../native/fixtures/worker.mjs", import.meta.url), {
      execArgv: [],
      workerData: {
        module: new URL("../native/fixtures/situations.ts", import.meta.url).href,
        situation,
        folder: "",
      },
    });
  const workers = ["many hooks", "results with data"].map(work);
  await Promise.all(workers.map((worker) => new Promise((done) => worker.once("message", done))));
  await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), {
    device: "cuda",
  });
  using first = await model.forward(prompt);
  await Promise.all(workers.map((worker) => worker.terminate()));
  using second = await model.forward(prompt);
  expect(await second.read()).toEqual(await first.read());
});
