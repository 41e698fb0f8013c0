import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HookedTransformer, hook, memory } from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, relativeError } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { writeRandomCheckpoint } from "./fixtures/random-checkpoint.js";
import { runChild } from "./fixtures/run-child.js";

let long: string;
beforeAll(() => {
  long = writeRandomCheckpoint({ layers: 64 }).folder;
});
afterAll(() => rmSync(long, { recursive: true, force: true }));

/** A worker of fixtures/ that posts one message and ends. */
function work<T>(module: string, workerData: object): Promise<{ message: T; code: number }> {
  const worker = new Worker(new URL("fixtures/worker.mjs", import.meta.url), {
    execArgv: [],
    workerData: { module: new URL(`fixtures/${module}`, import.meta.url).href, ...workerData },
  });
  return new Promise((resolve, reject) => {
    let message: T;
    worker.on("message", (got) => {
      message = got;
    });
    worker.on("error", reject);
    worker.on("exit", (code) => resolve({ message, code }));
  });
}

describe("threads", () => {
  test("two workers and this thread run at once, each with the right result", async () => {
    interface Report {
      readonly logits: Float32Array;
      readonly same: boolean;
      readonly leaked: number;
    }
    const prompt = [2, 3, 4, 5, 6, 7];
    await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    using first = await model.forward(prompt);
    const want = await first.read("float32");
    const handles = (await settledMemory()).handles;
    let working = 2;
    const reports = [1, 2].map(() =>
      work<Report>("forwards.ts", { times: 60 }).finally(() => {
        working--;
      }),
    );
    let runs = 0;
    for (; working > 0; runs++) {
      using out = await model.forward(prompt, {
        hooks: [["blocks.1.hook_resid_pre", () => sleep(0)]],
      });
      expect(await out.read("float32")).toEqual(want);
    }
    expect(runs).toBeGreaterThan(10);
    for (const { message, code } of await Promise.all(reports)) {
      expect(code).toBe(0);
      expect(message).toMatchObject({ same: true, leaked: 0 });
      expect(relativeError(message.logits, want)).toBeLessThan(1e-5);
    }
    expect(memory().handles).toBe(handles);
  });

  test("the event loop continues during a long forward", async () => {
    await using model = await HookedTransformer.fromPretrained(long, { device });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    try {
      // Repeats until it takes long enough for five ticks on this machine.
      for (let pos = 1024, ms = 0; ms < 200; pos *= 2) {
        expect(pos, "a forward of 200 ms").toBeLessThanOrEqual(8192);
        const start = performance.now();
        const running = model.forward(new Int32Array(pos).fill(5), { positions: [-1] });
        ticks = 0;
        (await running).dispose();
        ms = performance.now() - start;
      }
      expect(ticks).toBeGreaterThanOrEqual(5);
    } finally {
      clearInterval(timer);
    }
  });

  test("a long forward stops at the next block after its abort", async () => {
    await using model = await HookedTransformer.fromPretrained(long, { device });
    const tokens = new Int32Array(256).fill(5);
    const controller = new AbortController();
    const seen: number[] = [];
    const hooks = model.hookNames
      .filter((name) => name.endsWith("hook_resid_pre"))
      .map((name) =>
        hook(name, (_, { layer }) => {
          seen.push(layer as number);
          if (layer === 3) controller.abort(new Error("enough"));
        }),
      );
    const running = model.forward(tokens, { hooks, signal: controller.signal });
    await expect(running).rejects.toThrow("enough");
    // The model is free without waiting for the rest of the aborted run, and no hook fires any
    // more.
    (await model.forward([2, 3], { stopAtLayer: 1 })).dispose();
    expect(seen).toEqual([0, 1, 2, 3]);
  });
});

test.each([false, true])("a worker may exit inside its hook, nested: %s", async (nested) => {
  for (let i = 0; i < 3; i++) {
    const { code } = await work("exit-in-hook.ts", { nested });
    expect(code).toBe(7);
  }
  await using model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  using out = await model.forward([2, 3]);
  expect(out.shape[1]).toBe(2);
});

describe("process.exit()", () => {
  test.each([
    ["exit in a long forward", true],
    ["exit with work in the queue", true],
    ["exit in a pending hook", false],
    ["exit in a hook", false],
    ["exit in a run inside a hook", false],
  ])("%s ends with its code", async (situation, slow) => {
    const end = await runChild("exit.ts", [situation, slow ? long : ""]);
    expect(end).toEqual({ code: 7, signal: null, stdout: "", stderr: "" });
  });
});

describe("a process", () => {
  test("ends with the error that it throws during a forward", async () => {
    const end = await runChild("exit.ts", ["a throw that nobody catches", long]);
    expect(end).toMatchObject({ code: 1, signal: null, stdout: "" });
    expect(end.stderr).toContain("Error: mine");
  });

  test("finishes work that nobody awaits, then ends", async () => {
    const end = await runChild("exit.ts", ["work that nobody awaits"]);
    expect(end).toEqual({ code: 0, signal: null, stdout: "forward\nloss\nexit\n", stderr: "" });
  });

  test("ends after its work, with everything still open", async () => {
    const end = await runChild("exit.ts", ["done"]);
    expect(end).toEqual({ code: 0, signal: null, stdout: "done 0\n", stderr: "" });
  });
});
